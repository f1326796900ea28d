"""Clinical memory: what its tables refuse, and whether expression would have warned of known harm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.atlas.harmonise import harmonise
from cartarget.errors import InputError
from cartarget.safety.tiers import read_tiers
from cartarget.safety.toxicity import rank_organs, read_clinical_targets, read_toxicity, recall, tissue_levels

TIERS = read_tiers("config/tissue_tiers.tsv")
HEAD = "symbol\torgan\tseverity\tcertainty\tmodality\tevent\tsource\tsource_title\n"
GOOD = ["CA9", "bile duct", "severe", "shown", "CAR T", "liver enzymes rose", "PMID:23423337", "A title"]


def write(tmp_path: Path, cells: list[str]) -> Path:
    file = tmp_path / "toxicity.tsv"
    file.write_text(HEAD + "\t".join(GOOD) + "\n" + "\t".join(cells) + "\n")
    return file


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (6, "", "line 3: source is empty; a row without one does not count"),
        (6, "somebody said so", "line 3: source is 'somebody said so'; expected doi"),
        (7, "", "line 3: source_title is empty"),
        (1, "bile dukt", "line 3: config/tissue_tiers.tsv has no organ 'bile dukt'; nearest: bile duct"),
        (2, "awful", "line 3: severity is 'awful'; expected fatal, severe"),
        (3, "sure", "line 3: certainty is 'sure'"),
        (4, "magic", "line 3: modality is 'magic'"),
    ],
)
def test_bad_events_are_refused_with_their_line(tmp_path: Path, column: int, value: str, message: str) -> None:
    cells = [*GOOD[:column], value, *GOOD[column + 1 :]]
    with pytest.raises(InputError) as error:
        read_toxicity(write(tmp_path, cells), tiers=TIERS)
    assert message in str(error.value)


def test_organs_are_harmonised(tmp_path: Path) -> None:
    cells = ["ERBB2", "Heart muscle", *GOOD[2:]]
    assert read_toxicity(write(tmp_path, cells), tiers=TIERS)["organ"].tolist() == ["bile duct", "heart"]


def test_targets_without_an_identifier_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "targets.tsv"
    names = "symbol\tindication\tkeys\tmodality\tstatus\tid\tsource\tsource_title\n"
    file.write_text(names + "X\tcancer\t\tCAR T\tphase 1\tNCT1\tNCT00000001\tA title\n")
    with pytest.raises(InputError, match="line 2: id is 'NCT1'"):
        read_clinical_targets(file)


def test_the_events_that_every_meeting_knows_are_there() -> None:
    events = read_toxicity(tiers=TIERS)
    known = set(zip(events["symbol"], events["organ"], strict=True))
    assert known >= {
        ("ERBB2", "lung"), ("CA9", "bile duct"), ("CEACAM5", "colon"), ("CEACAM5", "lung"), ("EGFR", "skin"),
        ("CLDN18", "stomach"), ("FOLH1", "salivary gland"),
    }  # fmt: skip


def test_ties_share_their_mid_rank_and_the_unseen_say_why() -> None:
    tissues = ["colon", "lung", "liver", "skin"]
    levels = pd.DataFrame({"A": [9.0, 5.0, 5.0, np.nan], "B": [0.0, 0.0, 0.0, 0.0]}, index=tissues)
    events = pd.DataFrame({"symbol": ["A", "A", "A", "B", "C"], "organ": ["lung", "skin", "colon", "lung", "lung"]})
    ranks = rank_organs(levels, events=events)
    assert ranks["rank"].tolist()[0] == 2.5
    assert ranks["reason"].tolist() == ["", "skin is not measured", "", "B is detected nowhere", "C is not measured"]
    assert recall(ranks, at=(1, 2, 3))["n_found"].tolist() == [1, 1, 2]
    assert set(recall(ranks)["n_visible"]) == {2}


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8))
def test_ranks_lie_between_one_and_the_number_of_tissues(values: list[float]) -> None:
    levels = pd.DataFrame({"A": values}, index=[f"t{i}" for i in range(len(values))])
    events = pd.DataFrame({"symbol": "A", "organ": levels.index})
    ranks = rank_organs(levels, events=events)["rank"].dropna()
    if len(ranks):
        assert ranks.between(1, len(values)).all()
        assert ranks.sum() == pytest.approx(len(values) * (len(values) + 1) / 2)


def test_a_tissue_twice_is_refused() -> None:
    levels = pd.DataFrame({"A": [1.0, 2.0]}, index=["lung", "lung"])
    with pytest.raises(InputError, match="'lung' stands twice"):
        rank_organs(levels, events=pd.DataFrame({"symbol": ["A"], "organ": ["lung"]}))


@pytest.mark.real_data
def test_the_count_told_beside_the_table_is_that_of_the_table(shared_data: Path) -> None:
    """`resources/README.md` quotes what `benchmarks/known_harm.py` prints of HPA consensus RNA."""
    from cartarget.atlas import read_atlas
    from cartarget.config import AtlasConfig, Config
    from cartarget.genes import read_gene_table

    atlas = AtlasConfig(
        name="hpa", reader="summary_table", path="normal_tissue_rna/hpa21_consensus_ntpm_by_tissue.tsv.gz",
        role="normal", unit="nTPM",
    )  # fmt: skip
    genes = read_gene_table(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz")
    events = read_toxicity(tiers=TIERS)
    adata = read_atlas(atlas, config=Config(data_dir=str(shared_data)), genes=genes, keep=sorted(set(events["symbol"])))
    ranks = rank_organs(tissue_levels(harmonise(adata, tiers=TIERS, origin=[])), events=events)
    first, three, five, ten = recall(ranks)["n_found"]
    page = " ".join(Path("resources/README.md").read_text(encoding="utf-8").split())
    assert f"{first} of {ranks['rank'].notna().sum()} visible events are first, {three} are in the first three" in page
    assert f"{five} in the first five and {ten} in the first ten" in page
    table = ranks.set_index(["symbol", "organ"])
    assert table.at[("CA9", "bile duct"), "reason"] == "bile duct is not measured"
    assert table.loc[("ERBB2", "lung"), ["rank", "n_tissues"]].tolist() == [20, 41]
