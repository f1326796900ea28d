"""The planted truth is judged here with plain numpy, not with the package's own scores."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from cartarget.atlas.contract import validate_atlas
from cartarget.atlas.readers.simulate import TRUTH, simulate_atlas, simulated
from cartarget.config import AtlasConfig, Config

VITAL = {"brain", "heart", "lung", "liver", "kidney", "stomach", "pancreas", "small intestine", "bone marrow"}
IMPORTANT = {"skin", "esophagus", "salivary gland", "skeletal muscle", "urinary bladder", "lymph node"}
IMPORTANT |= {"tumor microenvironment"}
ORIGIN = {"colon", "rectum"}


@pytest.fixture(scope="module", params=[{"seed": 0}, {"seed": 7, "n_background": 200}], ids=["demo", "other seed"])
def drawn(request):
    return Judge(simulate_atlas(**request.param))


class Judge:
    """Coverage per patient and exposure per normal population, for singles and all ordered pairs."""

    def __init__(self, adata):
        self.adata = adata
        self.positive = (adata.X.toarray() > 0).astype(np.float32)
        self.is_tumor = (adata.obs["side"] == "tumor").to_numpy()
        obs = adata.obs.reset_index(drop=True)
        self.patients = obs[self.is_tumor].groupby("donor", observed=True).indices
        tumor_rows = np.flatnonzero(self.is_tumor)
        self.patients = {donor: tumor_rows[rows] for donor, rows in self.patients.items()}
        normal_rows = np.flatnonzero(~self.is_tumor)
        groups = obs[~self.is_tumor].groupby(["tissue", "cell_type"], observed=True).indices
        self.populations = {key: normal_rows[rows] for key, rows in groups.items() if key[0] not in ORIGIN}
        self.weight = np.array([self._weight(tissue) for tissue, _ in self.populations])
        self.cap = np.select([self.weight == 1, self.weight == 0.5], [0.05, 0.2], 1.0)
        self.n_donors = np.array([obs["donor"].iloc[rows].nunique() for rows in self.populations.values()])

    @staticmethod
    def _weight(tissue):
        return 1.0 if tissue in VITAL else 0.5 if tissue in IMPORTANT else 0.1

    def index(self, symbol):
        return self.adata.var_names.get_loc(symbol)

    def fractions(self, groups, kind):
        for rows in groups.values():
            x = self.positive[rows]
            if kind == "single":
                yield x.mean(axis=0)
                continue
            both = x.T @ x
            yield (both if kind == "and" else x.sum(axis=0)[:, None] - both) / len(rows)

    def score(self, kind):
        """Selectivity of each gate of a kind; -1 where it is not eligible or breaks a cap outside the origin."""
        coverage = np.stack(list(self.fractions(self.patients, kind)))
        worst_tenth = np.quantile(coverage, 0.1, axis=0)
        exposure = np.stack(list(self.fractions(self.populations, kind)))
        shape = (-1,) + (1,) * (exposure.ndim - 1)
        n, weight, cap = (v.reshape(shape) for v in (self.n_donors, self.weight, self.cap))
        median = (n * exposure + 0.5 - 1 / 3) / (n + 1 - 2 / 3)  # of the Jeffreys posterior, donors as units
        is_good = (median <= cap).all(axis=0) & (worst_tenth >= 0.5)
        selectivity = np.where(is_good, worst_tenth - (weight * median).max(axis=0), -1.0)
        if kind == "and":
            selectivity[np.tril_indices(len(selectivity))] = -1
        if kind == "and_not":
            np.fill_diagonal(selectivity, -1)
        return selectivity

    def fraction_in(self, symbol, tissue, cell_type):
        return self.positive[self.populations[tissue, cell_type], self.index(symbol)].mean()


def test_the_median_used_here_is_that_of_the_beta_posterior():
    for fraction in (0.0, 0.02, 0.05, 0.3):
        exact = beta.median(10 * fraction + 0.5, 10 * (1 - fraction) + 0.5)
        assert (10 * fraction + 0.5 - 1 / 3) / (10 + 1 - 2 / 3) == pytest.approx(exact, abs=0.01)


def test_best_single(drawn):
    selectivity = drawn.score("single")
    order = np.argsort(-selectivity)
    assert drawn.adata.var_names[order[0]] == TRUTH["best_single"]
    assert selectivity[order[0]] > 0.5 > selectivity[order[1]] + 0.05


@pytest.mark.parametrize("kind", ["and", "and_not"])
def test_best_pairs_and_their_gain(drawn, kind):
    selectivity = drawn.score(kind)
    i, j = np.unravel_index(np.argmax(selectivity), selectivity.shape)
    first, second = drawn.adata.var_names[[i, j]]
    expected = TRUTH[f"best_{kind}"]
    assert {first, second} == set(expected.replace("~", "").split(" & "))
    if kind == "and_not":
        assert f"{first} & ~{second}" == expected
    assert selectivity[i, j] > drawn.score("single").max() + 0.05


def test_each_member_of_the_and_harms_another_vital_cell(drawn):
    for population, hit, spared in [
        (("stomach", "foveolar cell"), "CEACAM5", "MSLN"),
        (("lung", "alveolar type 1 cell"), "MSLN", "CEACAM5"),
    ]:
        assert drawn.fraction_in(hit, *population) > 0.5
        assert drawn.fraction_in(spared, *population) < 0.03


def test_the_blocker_is_robust_where_it_must_be_and_absent_on_the_tumor(drawn):
    assert drawn.fraction_in("MET", "liver", "hepatocyte") > 0.5
    assert drawn.fraction_in("ASGR1", "liver", "hepatocyte") > 0.97
    assert drawn.positive[drawn.is_tumor, drawn.index("ASGR1")].mean() < 0.02


def test_pooling_prefers_the_decoy_which_hits_rare_vital_cells(drawn):
    pooled = drawn.positive[drawn.is_tumor].mean(axis=0) - drawn.positive[~drawn.is_tumor].mean(axis=0)
    assert drawn.adata.var_names[np.argmax(pooled)] == TRUTH["decoy"]
    for population in TRUTH["decoy_hits"]:
        tissue, cell_type = population.split(": ")
        rows = drawn.populations[tissue, cell_type]
        assert tissue in VITAL
        assert len(rows) < 0.005 * len(drawn.positive)
        assert drawn.positive[rows, drawn.index(TRUTH["decoy"])].mean() > 0.5


def test_no_population_is_thin(drawn):
    assert min(map(len, drawn.populations.values())) >= 30
    assert drawn.n_donors.min() >= 5
    assert {tissue for tissue, _ in drawn.populations} >= VITAL


def test_housekeeping_genes_are_everywhere(drawn):
    is_housekeeping = (drawn.adata.var["role"] == "housekeeping").to_numpy()
    assert drawn.positive[:, is_housekeeping].mean(axis=0).min() > 0.7


def test_shape_of_the_contract(drawn):
    adata = drawn.adata
    validate_atlas(adata)
    assert adata.X.format == "csr"
    assert adata.X.dtype == np.float32
    assert (adata.X.data == np.round(adata.X.data)).all()
    assert adata.X.data.min() >= 1
    assert adata.obs_names.is_unique
    assert adata.var_names.is_unique
    assert adata.uns["cartarget"]["is_simulated"] is True
    assert adata.varm["is_measured"].to_numpy().all()
    assert adata.n_obs <= 25_000


def test_a_seed_gives_the_same_bytes_and_another_seed_others():
    small = {"n_patients": 2, "n_donors": 1, "n_background": 5}
    first, again, other = (simulate_atlas(seed=seed, **small) for seed in (3, 3, 4))
    assert first.X.data.tobytes() == again.X.data.tobytes()
    assert first.X.indices.tobytes() == again.X.indices.tobytes()
    assert first.obs.equals(again.obs)
    assert first.X.nnz != other.X.nnz


def test_donors_come_from_spawned_streams():
    few, many = (simulate_atlas(n_patients=0, n_donors=n, n_background=5) for n in (1, 2))
    assert (many[: few.n_obs].X != few.X).nnz == 0


def test_the_reader_keeps_what_is_asked_for():
    atlas = AtlasConfig(name="sim", reader="simulated")
    adata = simulated(atlas, config=Config(seed=0), genes=None, keep={"MSLN", "ACTB", "absent"})
    validate_atlas(adata)
    assert list(adata.var_names) == ["MSLN", "ACTB"]
    assert adata.uns["cartarget"]["atlas"] == "sim"
    assert adata.uns["cartarget"]["truth"] == TRUTH
