"""Argue mode's judge, in node, against the package: the same gates, the same settings, the same answers."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich_panel import rich_panel

import cartarget.report
from cartarget.contracts import CLASSES
from cartarget.errors import InputError
from cartarget.evidence.intervals import posterior_quantile
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.report.argue import (
    argued,
    argued_thresholds,
    counted_evidence,
    evidence_block,
    fit_evidence,
    read_evidence,
    write_evidence,
)
from cartarget.report.embed import LARGER as LARGER_SHAPE
from cartarget.report.embed import embed
from cartarget.safety.judge import judge
from cartarget.safety.scores import _exposures, _Places
from cartarget.safety.tier_table import TIERS
from cartarget.selection.gains import gains
from cartarget.selection.ranking import rank
from cartarget.selection.screen import expose, score_gates
from cartarget.selection.shortlist import shortlist
from tests.panels import random_panel
from tests.safety.test_leaks import heart as heart_with_leak

NODE = shutil.which("node")
ASSETS = Path(cartarget.report.__file__).parent / "assets"
REFERENCE = {name: {"weight": weight, "cap": cap} for name, (weight, cap) in TIERS.items()}
LAX, STRICT = {"weight": 0.6, "cap": 0.3}, {"weight": 0.9, "cap": 0.02}
SETTINGS: list[dict[str, Any]] = [
    {"floor": 0.5, "tiers": {}, "tolerated": []},
    {"floor": 0.2, "tiers": {}, "tolerated": ["lung", "skin"]},
    {"floor": 0.0, "tiers": REFERENCE | {"vital": LAX, "important": STRICT}, "tolerated": ["heart"]},
    {"floor": 0.0, "tiers": REFERENCE | {"vital": {"weight": 0.0, "cap": 0.0}}, "tolerated": []},
]
CARD = {"fraction": "fraction", "fraction_lower": "lower", "fraction_upper": "upper", "n_positive": "n_positive",
        "fraction_naive": "naive", "fraction_trans": "trans", "people_over_cap": "people"}  # fmt: skip
CARD_TEXTS = {name: name for name in ("population", "side", "evidence", "assay", "atlas", "is_measured", "is_thin",
                                      "is_origin")} | {"decided_by": "decided"}  # fmt: skip
TEXTS = ["safety_class"]
PLACES = ["liability_population", "liability_origin_population", "liability_upper_population"]
LISTS = ["tissues_broken", "tissues_unresolved", "tissues_unmeasured", "protein_veto", "tissues_explained"]
FLAGS = ["is_safety_known", "is_eligible"]
NUMBERS = ["coverage", "coverage_lower", "coverage_upper", "liability", "liability_upper", "liability_origin",
           "liability_origin_upper", "selectivity", "selectivity_origin", "liability_naive",
           "liability_trans"]  # fmt: skip
PEOPLE = ["people_over_cap", "people_n", "people_share_lower", "people_share_upper"]


LARGER = ["{} & {} & {}", "({} | {}) & ~{}", "{} & ({} | {})", "({} & {}) | {}", "{} & {} & ~{}", "{} | ({} & ~{})",
          "{} & ~{} & ~{}"]  # fmt: skip


def every_gate(panel: Panel) -> Gates:
    """Singles, every gate of two antigens, and some of three in each shape."""
    n = len(panel.symbols)
    rows = [(i, j, op) for i in range(n) for j in range(n) for op in (0, 1, 2) if i < j or (op == 2 and i != j)]
    a, b, op = np.array(rows, dtype=np.int64).T
    threes = [panel.symbols[i : i + 3] for i in range(n - 2)]
    larger = [text.format(*three) for three in threes for text in LARGER]
    return Gates.join([Gates.singles(n), Gates.of_two(a, b, op), Gates.parse(larger, panel=panel)])


def judged_in_node(
    panels: list[Panel], frame: pd.DataFrame, settings: list[dict[str, Any]], folder: Path, *, exposed: bool = False
) -> list[dict[str, Any]]:
    texts, thresholds = frame["gate"].tolist(), list(range(1, len(panels) + 1))
    evidence = counted_evidence(panels, thresholds=thresholds, base=1, unit="counts", gates=texts)
    shutil.copytree(ASSETS, folder / "assets")
    (folder / "package.json").write_text('{"type": "module"}')
    given = {
        "block": evidence_block(evidence).encode(),
        "texts": texts,
        "closing": [evidence.header["closing"].get(text, []) for text in texts],
        "tie": ties(frame),
        "settings": settings,
        "exposed": exposed,
    }
    (folder / "given.json").write_text(json.dumps(given))
    script = Path(__file__).with_name("judge.mjs")
    command = [str(NODE), str(script), str(folder / "assets"), str(folder / "given.json"), str(folder / "out.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(json.loads((folder / "out.json").read_text()))


def expected(panel: Panel, gates: Gates, floor: float, **moved: Any) -> pd.DataFrame:
    """The package's scores; a gate of two antigens or more is held against the antigens that it senses."""
    frame = score_gates(panel, gates=gates, floor=floor).assign(**moved)
    members = np.full((len(gates), gates.rows.shape[1]), -1)
    for shape, at, rows in gates.batches():
        if len(shape.antigens) > 1:
            sensed = [shape.antigens.index(one.symbol) for one in shape.literals if not one.is_negated]
            members[at, : len(sensed)] = rows[:, sensed]
    return frame.join(gains(frame, members=members)).assign(control="")


def around(panels: list[Panel], settings: dict[str, Any], gates: Gates) -> dict[str, Any]:
    """Classes at half and at twice the threshold; panels are counted at 1, 2 ..."""
    at = settings["threshold"] + 1
    found = {}
    for name, value in (("class_half", at // 2), ("class_twice", 2 * at)):
        if 1 <= value <= len(panels):
            moved = argued(panels[value - 1], tiers=settings["tiers"], tolerated=settings["tolerated"])
            found[name] = expected(moved, gates, settings["floor"])["safety_class"].to_numpy()
    return found


def ties(frame: pd.DataFrame) -> list[int]:
    """Places of gates by what ranks them when class and selectivity are alike."""
    window = frame["window"].astype(float).fillna(-np.inf).round(6)
    keys = pd.DataFrame({"w": -window, "n": frame["n_antigens"], "p": ~frame["is_protein_known"], "g": frame["gate"]})
    tie = np.empty(len(frame), dtype=int)
    tie[keys.sort_values(["w", "n", "p", "g"]).index] = np.arange(len(frame))
    return tie.tolist()


def same_places(name: str, ours: pd.DataFrame, theirs: pd.DataFrame, tied: pd.DataFrame) -> None:
    """The same places are named; where two are equally bad and the page knows no level of the gate, either of them."""
    differ = np.flatnonzero(ours[name].fillna("").to_numpy() != theirs[name].fillna("").to_numpy())
    for row in differ:
        gate, one, other = ours["gate"][row], ours[name][row], theirs[name][row]
        assert "&" in gate or "|" in gate, (name, gate, one, other)
        values = tied.loc[gate].reindex([one, other])
        assert values.notna().all() and abs(values.iloc[0] - values.iloc[1]) < 1e-9, (name, gate, one, other)


def same_people(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    """The same people are counted; where two populations have the same share over the cap, those of either."""
    one, other = (part[PEOPLE].astype("Float64").to_numpy(float, na_value=np.nan) for part in (ours, theirs))
    same = (ours["people_population"].fillna("") == theirs["people_population"].fillna("")).to_numpy()
    np.testing.assert_allclose(other[same], one[same], atol=1e-6)
    share = [posterior_quantile(part[~same, 0] / part[~same, 1], part[~same, 1], q=0.5) for part in (one, other)]
    np.testing.assert_allclose(*share, atol=1e-9)


def exposures(panel: Panel, gates: Gates) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Weight × exposure of each gate in each place that may decide: medians, and upper bounds."""
    names, places = gates.names(panel.symbols), _Places(panel).names[:-1]
    median, upper = (pd.DataFrame(part, index=names, columns=places) for part in _exposures(panel, judge(panel, gates)))
    return median.T.groupby(level=0).max().T, upper.T.groupby(level=0).max().T


def as_shipped(panel: Panel) -> Panel:
    """The panel with its power in the precision in which it travels."""
    return replace(panel, power=panel.power.astype(np.float32).astype(float))


def hold_together(panels: list[Panel], tmp_path: Path) -> None:
    """Every gate under every setting: class, numbers, places, redundancy, ranks and ideas are the same.

    `panels` are counted at rising thresholds; the settings take turns in them.
    """
    gates = every_gate(panels[0])
    asked = [one | {"threshold": place % len(panels)} for place, one in enumerate(SETTINGS)]
    found = judged_in_node(panels, expected(panels[0], gates, 0.5), asked, tmp_path)
    for settings, result in zip(asked, found, strict=True):
        moved = argued(panels[settings["threshold"]], tiers=settings["tiers"], tolerated=settings["tolerated"])
        frame = expected(moved, gates, settings["floor"], **around(panels, settings, gates))
        median, upper = exposures(moved, gates)
        page = pd.DataFrame(result["rows"]).reindex(
            columns=[*TEXTS, *PLACES, *LISTS, *NUMBERS, *PEOPLE, *FLAGS, "people_population"]
        )
        for name in TEXTS:
            wrong = page[name].fillna("").to_numpy() != frame[name].fillna("").to_numpy()
            assert not wrong.any(), (name, frame.loc[wrong, ["gate", name]], page.loc[wrong, name])
        for name in PLACES:
            same_places(name, frame, page, upper if "upper" in name else median)
        for name in LISTS:
            wrong = page[name].to_numpy() != frame[name].to_numpy()
            assert not wrong.any(), (name, frame.loc[wrong, ["gate", name]], page.loc[wrong, name])
        for name in NUMBERS:
            ours, theirs = (part[name].astype("Float64").to_numpy(float, na_value=np.nan) for part in (frame, page))
            loose = "upper" in name or "lower" in name
            # the package reads Student's t off a table of 257 values; the page reckons it
            np.testing.assert_allclose(theirs, ours, atol=1e-6 if loose else 1e-11, err_msg=name)
        same_people(frame, page)
        np.testing.assert_allclose(np.array(result["quick"], dtype=float), frame["liability"], atol=1e-11)
        assert np.array(CLASSES)[result["kind"]].tolist() == frame["safety_class"].tolist()
        for name in FLAGS:
            assert page[name].tolist() == frame[name].tolist(), name
        assert np.array(result["redundant"], bool).tolist() == frame["is_redundant"].tolist()
        ranked = rank(frame)
        places = ranked.set_index("gate")["rank"].reindex(frame["gate"])
        assert result["rank"] == places.fillna(-1).astype(int).tolist()
        ideas = shortlist(ranked.drop(columns="window"))
        assert [(frame["gate"][g], alike) for g, alike in result["ideas"]] == list(
            zip(ideas["gate"], ideas["n_alike"], strict=True)
        )


@pytest.mark.skipif(NODE is None, reason="node is absent: the judge is tested in the browser only")
@pytest.mark.parametrize("kind", ["samples", "cells"])
@pytest.mark.parametrize("seed", range(2))
def test_the_page_judges_as_the_package_does(seed: int, kind: str, tmp_path: Path) -> None:
    hold_together([random_panel(seed, kind=kind)], tmp_path)


@pytest.mark.skipif(NODE is None, reason="node is absent: the judge is tested in the browser only")
def test_harm_on_record_that_nothing_measured_is_a_doubt_on_the_page_too(tmp_path: Path) -> None:
    panel = random_panel(3, kind="cells")
    hold_together([replace(panel, harmed={panel.symbols[0]: "bile duct", panel.symbols[2]: "pleura"})], tmp_path)


@pytest.mark.skipif(NODE is None, reason="node is absent: the judge is tested in the browser only")
def test_a_blocker_that_leaked_spares_nothing_on_the_page_too(tmp_path: Path) -> None:
    hold_together([heart_with_leak(9.0)], tmp_path)


@pytest.mark.skipif(NODE is None, reason="node is absent: the judge is tested in the browser only")
def test_a_blocker_that_is_nowhere_does_not_cancel_a_leak_on_the_page_either(tmp_path: Path) -> None:
    hold_together([heart_with_leak(9.0, twin=0.0)], tmp_path)


@pytest.mark.skipif(NODE is None, reason="node is absent: the judge is tested in the browser only")
@pytest.mark.parametrize("seed", range(6))
def test_several_atlases_are_judged_as_the_package_does(seed: int, tmp_path: Path) -> None:
    hold_together([as_shipped(rich_panel(seed, count=count)) for count in (1, 2)], tmp_path)


@pytest.mark.skipif(NODE is None, reason="node is absent: the judge is tested in the browser only")
@pytest.mark.parametrize(
    "panel", [random_panel(4, kind="samples"), random_panel(4, kind="cells"), as_shipped(rich_panel(7))]
)
def test_a_card_drawn_from_counts_says_what_the_exposure_table_says(panel: Panel, tmp_path: Path) -> None:
    gates = every_gate(panel)
    first = expected(panel, gates, 0.5)
    found = judged_in_node([panel], first, [SETTINGS[0] | {"threshold": 0}], tmp_path, exposed=True)[0]
    table = expose(panel, gates=gates)
    others = table["population"].isin(panel.populations.loc[~panel.is_tumor & ~panel.is_normal, "population"])
    table = table[(table["evidence"] != "protein") & ~((table["side"] == "tumor") & others)]
    for name, rows in zip(gates.names(panel.symbols), found["exposure"], strict=True):
        page = pd.DataFrame(rows)
        page = page[page["evidence"] != "protein"].reset_index(drop=True)
        ours = table[table["gate"] == name].reset_index(drop=True)
        for column, theirs in CARD_TEXTS.items():
            assert page[theirs].tolist() == ours[column].tolist(), (name, column)
        for column, theirs in CARD.items():
            numbers, shown = (
                x.astype("Float64").to_numpy(float, na_value=np.nan) for x in (ours[column], page[theirs])
            )
            np.testing.assert_allclose(shown, numbers, atol=1e-6, err_msg=f"{name}: {column}")


def small() -> tuple[Panel, Any]:
    panel = random_panel(0, kind="cells")
    return panel, counted_evidence([panel, panel], thresholds=[1.0, 2.0], base=1.0, unit="counts", tiers="tissue\n")


def test_evidence_is_written_and_read_back_alike(tmp_path: Path) -> None:
    _, evidence = small()
    write_evidence(evidence, tmp_path / "one.npz")
    write_evidence(evidence, tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    back = read_evidence(tmp_path / "one.npz")
    assert back.header == json.loads(json.dumps(evidence.header))
    assert all(np.array_equal(back.arrays[name], array) for name, array in evidence.arrays.items())


def test_a_file_that_is_no_evidence_is_refused(tmp_path: Path) -> None:
    (tmp_path / "argue.npz").write_bytes(b"not a zip")
    with pytest.raises(InputError, match="run the report step again"):
        read_evidence(tmp_path / "argue.npz")


def test_thresholds_of_another_run_are_refused() -> None:
    panel, _ = small()
    with pytest.raises(InputError, match="expected 3 among them"):
        counted_evidence([panel], thresholds=[1.0], base=3.0, unit="counts")


@pytest.mark.parametrize(
    ("kind", "unit", "base", "values"),
    [("samples", "CPM", 8.0, [4, 8, 16]), ("cells", "counts", 5.0, [2, 5, 10]), ("cells", "log1p", 1.0, [1])],
)
def test_thresholds_to_argue_about(kind: str, unit: str, base: float, values: list[float]) -> None:
    assert argued_thresholds(random_panel(0, kind=kind), unit=unit, base=base) == values


def test_a_tight_budget_keeps_the_first_antigens() -> None:
    _, evidence = small()
    symbols = evidence.header["symbols"]
    everything = fit_evidence(evidence, order=symbols)
    assert everything.header["symbols"] == symbols
    size = len(json.dumps(0)) and sum(array[0].nbytes for array in evidence.arrays.values())
    few = fit_evidence(evidence, order=[symbols[3], symbols[0], *symbols], budget=size // 2)
    assert symbols[3] in few.header["symbols"] and len(few.header["symbols"]) < len(symbols)
    assert all(len(array) == len(few.header["symbols"]) for array in few.arrays.values())


def test_rows_without_evidence_are_named() -> None:
    panel, evidence = small()
    a, b, c = panel.symbols[:3]
    names = [f"{a} & ~{b}", f"{a} & {b} & {c}", "X | Y", a]
    gates = pd.DataFrame({"gate": names, "window": 1.0, "is_protein_known": False, "n_antigens": [2, 3, 2, 1]})
    antigens = pd.DataFrame({"symbol": [a, b, "X"], "window": [1.0, np.nan, 2.0], "is_protein_known": True})
    block, lacking = embed(evidence, antigens=antigens, gates=gates, atlas="atlas")
    assert lacking == {"X | Y", "X"}
    assert block.arrays["gate.op"].tolist() == [2, LARGER_SHAPE, -1, 0]
    assert block.arrays["antigen.row"][2] == -1
    assert block.arrays["antigen.tie"].tolist() == [1, 2, 0], "the wider window first, an unknown one last"


def test_a_place_with_a_weight_of_its_own_keeps_it() -> None:
    panel, _ = small()
    panel.units.loc[panel.units["tissue"] == "lung", "cap"] = 0.11
    before = panel.units["cap"].tolist()
    moved = argued(panel, tiers={"vital": {"weight": 0.5, "cap": 0.3}}, tolerated=["skin"]).units
    own = moved.groupby("tissue")[["weight", "cap"]].first()
    kinds = moved.groupby("tissue")[["weight", "cap"]].nunique().max().max()
    assert kinds == 1 and {"lung", "heart", "skin", "breast"} <= set(own.index)
    assert own.loc["lung"].tolist() == [1.0, 0.11], "its cap is the table's own"
    assert own.loc["heart"].tolist() == [0.5, 0.3]
    assert own.loc["skin"].tolist() == [0.1, 1.0]
    assert own.loc["breast"].tolist() == [0.1, 1.0]
    assert panel.units["cap"].tolist() == before, "the run's own panel stays as it was"
