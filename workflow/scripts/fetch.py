"""Fetch or make the public file that a rule asks for, logged; an expected error is one message."""

import sys
from pathlib import Path

# Under --sdm conda the package is not installed: it lies around this file.
sys.path += [str(up) for up in Path(__file__).resolve().parents if (up / "cartarget" / "errors.py").is_file()][:1]

from cartarget.atlas.public.fetch import Fetching
from cartarget.config import parse_config
from cartarget.errors import CartargetError
from cartarget.provenance import journal
from cartarget.run.downloads import fetch_one

file = snakemake.output[0]
try:
    with journal(snakemake.log[0], title=f"fetch {file}", command=f"snakemake {file}"):
        fetch_one(Path(file), config=parse_config(snakemake.config), settings=Fetching.from_environment())
except (CartargetError, OSError) as error:
    sys.exit(f"error: {error}")
