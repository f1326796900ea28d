"""Bring cells of CELLxGENE Census into an .h5ad file; runs in workflow/envs/census.yaml, and by hand: --help."""

import argparse
import sys
from pathlib import Path

# Under --sdm conda the package is not installed: it lies around this file.
sys.path += [str(up) for up in Path(__file__).resolve().parents if (up / "cartarget" / "errors.py").is_file()][:1]

from cartarget.atlas.public.census import fetch_census
from cartarget.errors import CartargetError

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--release", required=True, help="date of a release, such as 2025-11-08")
parser.add_argument("--cells", required=True, help="condition on obs, such as \"tissue_general == 'colon'\"")
parser.add_argument("--most", type=int, default=200_000, help="cells that may match [200000]")
parser.add_argument("--output", required=True, help=".h5ad file to write")
asked = parser.parse_args()
try:
    adata = fetch_census(asked.output, release=asked.release, cells=asked.cells, most=asked.most)
except (CartargetError, OSError) as error:
    sys.exit(f"error: {error}")
print(f"{adata.n_obs:,} cells of {adata.obs['donor'].nunique():,} donors × {adata.n_vars:,} genes: {asked.output}")
