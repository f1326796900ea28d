"""The atlas contract: each rule, broken once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cartarget.atlas.contract import assemble, validate_atlas
from cartarget.errors import InputError

HOSTILE = "</script><img src=x onerror=alert(1)>"


def atlas(values: Any = None, *, kind: str = "samples", unit: str = "CPM") -> anndata.AnnData:
    obs = pd.DataFrame(
        {"side": ["tumor", "normal"], "donor": "d", "tissue": ["tumor", "lung"], "cell_type": "", "dataset": "f"},
        index=["a", "b"],
    )
    return assemble(
        np.ones((2, 2), dtype=np.float32) if values is None else values,
        obs=obs,
        genes=pd.DataFrame({"given": ["EPCAM", HOSTILE]}, index=["EPCAM", HOSTILE]),
        kind=kind,
        unit=unit,
        atlas="here",
        files=[],
        lost=pd.DataFrame({"name": [], "reason": []}),
    )


def broken(change: Callable[[anndata.AnnData], object], **given: Any) -> anndata.AnnData:
    adata = atlas(**given)
    change(adata)
    return adata


def _about(key: str, value: object) -> Callable[[anndata.AnnData], object]:
    return lambda adata: adata.uns["cartarget"].__setitem__(key, value)


def _obs(key: str, value: object) -> Callable[[anndata.AnnData], object]:
    return lambda adata: adata.obs.__setitem__(key, value)


def test_a_whole_atlas_passes_with_a_hostile_gene_name() -> None:
    validate_atlas(atlas())
    validate_atlas(atlas(sparse.csr_matrix(np.eye(2, dtype=np.float32)), kind="cells", unit="counts"))
    validate_atlas(atlas(np.array([[np.nan, 3], [0, 1]], dtype=np.float32), kind="protein", unit="stain"))
    assert atlas().var_names[1] == HOSTILE


@pytest.mark.parametrize(
    ("adata", "message"),
    [
        (lambda: broken(lambda a: a.uns.clear()), r"uns\['cartarget'\] is missing"),
        (lambda: broken(lambda a: a.uns["cartarget"].pop("lost")), r"'here'.*'lost'\] is missing"),
        (lambda: broken(_about("kind", "bulk")), "kind is 'bulk'; expected one of samples"),
        (lambda: broken(_about("unit", "FPKM")), "unit is 'FPKM'; expected one of"),
        (lambda: broken(_about("lost", pd.DataFrame())), "needs the columns name and reason"),
        (lambda: broken(_obs("side", "tumour")), "holds 'tumour'; expected tumor or normal"),
        (lambda: broken(_obs("donor", [None, "d"])), r"obs\['donor'\] is empty for 'a'"),
        (lambda: broken(_obs("tissue", ["tumor", ""])), "'b' has neither tissue nor cell type"),
        (lambda: broken(lambda a: a.obs.pop("dataset")), r"obs\['dataset'\] is missing"),
        (lambda: broken(lambda a: setattr(a, "obs_names", ["a", "a"])), "observation 'a' stands twice"),
        (lambda: broken(lambda a: setattr(a, "var_names", ["G", "G"])), "gene 'G' stands twice"),
        (lambda: broken(lambda a: a.var.pop("given")), r"var\['given'\]"),
        (lambda: broken(lambda a: a.varm.pop("is_measured")), r"varm\['is_measured'\] must be a frame"),
        (lambda: broken(lambda a: a.varm.__setitem__("is_measured", a.varm["is_measured"] * 1.0)), "must be boolean"),
        (lambda: atlas(np.array([[1, -1], [1, 1]], dtype=np.float32)), "X holds -1; expected finite"),
        (lambda: atlas(np.array([[1, np.inf], [1, 1]], dtype=np.float32)), "X holds inf"),
        (
            lambda: atlas(np.array([[1, np.nan], [1, 1]], dtype=np.float32)),
            "X holds NaN, which samples and cells may not",
        ),
        (lambda: atlas(np.full((2, 2), 4, np.float32), kind="protein", unit="stain"), "stains must be 0, 1, 2 or 3"),
        (lambda: broken(lambda a: setattr(a, "X", a.X.astype(np.float64))), "X is float64; expected float32"),
        (lambda: atlas(sparse.csc_matrix(np.eye(2, dtype=np.float32))), "expected a CSR matrix"),
        (lambda: atlas()[:0].copy(), "no observation"),
    ],
)
def test_each_broken_rule_is_named(adata: Callable[[], anndata.AnnData], message: str) -> None:
    with pytest.raises(InputError, match=message):
        validate_atlas(adata())


@pytest.mark.parametrize("side", ["tumor", "normal"])
def test_an_atlas_may_hold_one_side(side: str) -> None:
    """Tumour and normal tissue may come from different atlases; `build_panel` asks for tumour in any of them."""
    validate_atlas(broken(_obs("side", side)))
