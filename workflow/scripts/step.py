"""Do the step that a rule is named after, logged; an expected error is one message."""

import sys
from pathlib import Path

# Under --sdm conda the package is not installed: it lies around this file.
sys.path += [str(up) for up in Path(__file__).resolve().parents if (up / "cartarget" / "errors.py").is_file()][:1]

from cartarget.config import parse_config
from cartarget.errors import CartargetError
from cartarget.provenance import journal
from cartarget.run.steps import STEPS

step = {step.name: step for step in STEPS}[snakemake.rule]
asked = parse_config(snakemake.config)
try:
    with journal(snakemake.log[0], title=step.name, command=f"snakemake {step.name}"):
        step.do(asked)
except (CartargetError, OSError) as error:
    sys.exit(f"error: {error}")
