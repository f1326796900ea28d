import re

from cartarget.atlas.public.fetch import Fetching
from cartarget.run.downloads import needed

# One rule for each public file of the run: a rule of many outputs would throw away those that are there.
for public in needed(asked, folder=Fetching.from_environment().folder):

    rule:
        name:
            re.sub(r"\W", "_", f"fetch_{public.name}")
        output:
            public.as_posix(),
        log:
            f"<logs>/fetch/{public.name}.log",
        localrule: True
        resources:
            runtime=240,
        params:
            data_dir=lookup(dpath="data_dir", within=config),
        script:
            "../scripts/fetch.py"
