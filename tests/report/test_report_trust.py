"""What a card says beside the counts: how sure, who disagrees, what the clinic knows; and the same bytes twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pytest

from cartarget.contracts import read_table, write_table
from cartarget.report.render import read_more, render_report

HOSTILE = "<img src=x onerror=alert(1)> shows it, hpa shows it absent"


@pytest.fixture(scope="module")
def told(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with tables of trust, replication and contradictions beside it, and a history in its antigens."""
    folder = tmp_path_factory.mktemp("told") / "run"
    shutil.copytree(run, folder)
    antigens, gates = (read_table(name, folder / f"{name}.parquet") for name in ("antigens", "gates"))
    first = gates["gate"].iloc[0]
    member = first.split(" ")[0]
    mine = antigens["symbol"] == member
    antigens.loc[mine, "clinical"] = "CAR T, colorectal cancer, phase 1 (NCT02850536); antibody, lung (doi:10.1234/x?y)"
    antigens.loc[mine, "toxicity"] = "colon, severe (PMID:39734708)"
    write_table("antigens", antigens, folder / "antigens")
    trust = {"gate": first, "rank": 1, "n_folds": 5, "n_chosen": 4, "coverage_heldout": 0.81, "liability_heldout": 0.02}
    trust |= {"rank_lower": 1, "rank_upper": 17, "class_share": 0.9, "is_interval_narrow": True}
    trust |= {"n_null": 200, "selectivity_percentile": 0.995, "n_conflicts": 8}
    sweep = {"rank_sweep_lower": 1, "rank_sweep_upper": 30, "class_best": "within caps", "class_worst": "over cap"}
    gates.loc[gates["gate"] == first, list(sweep)] = list(sweep.values())
    write_table("gates", gates, folder / "gates")
    write_table("trust", pd.DataFrame([trust | {"selectivity_p": 0.01}]), folder / "trust")
    second = {"atlas": "second", "gate": first, "coverage_first": 0.9, "coverage_second": 0.7, "verdict": "drops"}
    second |= {"coverage_lower_second": 0.6, "coverage_upper_second": 0.8, "n_patients_second": 66}
    write_table("replication", pd.DataFrame([second]), folder / "replication")
    row = {"tissue": "lung", "kind": "RNA vs protein", "source_a": "rna", "source_b": "stains", "value_b": 0.0}
    rows = [row | {"gate": first, "sentence": HOSTILE}] * 8 + [row | {"gate": "NOT TOLD", "sentence": "left out"}]
    write_table("conflicts", pd.DataFrame(rows), folder / "conflicts")
    return folder


def test_the_card_of_a_first_gate_says_how_sure(told: Path, visit: Callable[..., Any]) -> None:
    gate = read_table("gates", told / "gates.parquet")["gate"].iloc[0]
    page = visit(render_report(told), f"#gate={quote(gate, safe='')}")
    page.wait_for_selector("html[data-evidence=yes]")
    text = page.locator("#card section", has_text="How sure?").inner_text()
    assert "coverage 0.81, liability 0.02" in text and "chosen in 4 of 5 folds" in text
    assert "rank 1 to 17 in 95 %; the same class in 90 %; too few patients" in text and "rank 1 to 30" in text
    assert "random gates" in text and "p = 0.010" in text
    assert "drops: coverage 0.70 (0.60–0.80) in 66 patients" in text
    lines = page.locator("#card section", has_text="Sources that disagree").locator("li")
    assert lines.count() == 8 and set(lines.all_text_contents()) == {HOSTILE}
    history = page.locator("#card section", has_text="In patients")
    assert history.locator("a").evaluate_all("(links) => links.map((link) => link.href)") == [
        "https://clinicaltrials.gov/study/NCT02850536",
        "https://doi.org/10.1234/x%3Fy",
        "https://pubmed.ncbi.nlm.nih.gov/39734708",
    ]
    assert page.locator("#card svg.body path.organ").count() > 10
    assert "The table holds every number" in str(page.locator("#card svg.body").get_attribute("aria-label"))


def test_the_same_bytes_twice_and_only_of_gates_held_to_account(told: Path) -> None:
    first = render_report(told).read_bytes()
    assert render_report(told).read_bytes() == first
    told_of = read_more(told, antigens=read_table("antigens", told / "antigens.parquet"))["conflicts"]
    assert set(told_of["sentence"]) == {HOSTILE}
