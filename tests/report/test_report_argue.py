"""Argue mode in a browser, against the package; gates of one's own; cards drawn from counts."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest

from cartarget.config import load_config
from cartarget.contracts import conform, read_table, write_table
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.report.argue import argued
from cartarget.report.render import render_report
from cartarget.safety.tiers import read_tiers
from cartarget.selection.gains import gains
from cartarget.selection.ranking import rank
from cartarget.selection.screen import score_gates
from cartarget.selection.shortlist import shortlist

Visit = Callable[..., Any]


@pytest.fixture
def argue(counted_report: Path, visit: Visit) -> Any:
    page = visit(counted_report, accept_downloads=True)
    page.wait_for_selector("html[data-evidence=yes]")
    page.locator("#argue-open").click()
    page.wait_for_selector("html[data-argued='1']")
    return page


def settled(page: Any, act: Callable[[], object]) -> None:
    """Do something that moves the settings, and wait until tables and card have followed."""
    before = page.evaluate("document.documentElement.dataset.argued")
    act()
    page.wait_for_function("(before) => document.documentElement.dataset.argued !== before", arg=before)


def judged(
    run: Path, panel: Panel, *, half: Panel | None = None, twice: Panel | None = None, floor: float = 0.5
) -> pd.DataFrame:
    """The gates of the file as the package ranks them on another panel, and at half and twice its threshold."""
    table = read_table("gates", run / "gates.parquet")
    gates = Gates.join([Gates.singles(len(panel.symbols)), Gates.parse(table["gate"].tolist(), panel=panel)])
    members = np.where((gates.size == 2)[:, None], gates.rows, -1)
    members[gates.has_blocker, 1] = -1
    frame = score_gates(panel, gates=gates, floor=floor)
    for name, other in (("class_half", half), ("class_twice", twice)):
        if other is not None:
            frame[name] = score_gates(other, gates=gates, floor=floor)["safety_class"]
    frame = frame.join(gains(frame, members=members)).iloc[len(panel.symbols) :]
    return rank(frame.reset_index(drop=True).assign(control=table["control"]))


def shown(page: Any) -> list[tuple[str, str]]:
    """Rank and name of the first hundred gates of the table."""
    page.locator("#gate-grid .dt-length select").select_option("100")
    lines = page.locator("#gate-grid tbody tr")
    return [tuple(pair) for pair in lines.evaluate_all(
        "(lines) => lines.map((line) => [line.cells[0].innerText.replace(/\\u202f/g, ''),"
        " line.querySelector('a').innerText])")]  # fmt: skip


def expected(frame: pd.DataFrame) -> list[tuple[str, str]]:
    places = frame["rank"].astype("string").fillna("")
    return list(zip(places.head(100), frame["gate"].head(100), strict=True))


def ideas(page: Any) -> list[str]:
    return list(page.locator("#ideas a").all_inner_texts())


def test_untouched_settings_give_the_run_itself(argue: Any, run: Path) -> None:
    table = read_table("gates", run / "gates.parquet")
    assert shown(argue) == expected(table)
    assert ideas(argue) == shortlist(table)["gate"].tolist()
    assert argue.locator("#argue-said").inner_text() == "These are the run's own settings."
    assert argue.locator("#argue-reset").is_hidden()


def test_a_tolerated_tissue_ranks_as_in_the_package(argue: Any, run: Path, panels: list[Panel]) -> None:
    chip = argue.locator("#argue .chip").first
    tissue = chip.evaluate("(chip) => chip.firstChild.textContent")
    settled(argue, chip.click)
    theirs = judged(run, argued(panels[0], tolerated=[tissue]), twice=argued(panels[1], tolerated=[tissue]))
    assert shown(argue) == expected(theirs)
    assert ideas(argue) == shortlist(theirs)["gate"].tolist()
    said = argue.locator("#argue-said").inner_text()
    assert said.startswith(f"Tolerating {tissue} ")
    before = judged(run, panels[0], twice=panels[1])
    good = [set(part.loc[part["rank"].notna() & part["safety_class"].isin(["within caps", "origin only"]), "gate"])
            for part in (before, theirs)]  # fmt: skip
    if good[1] - good[0]:
        first = next(gate for gate in theirs["gate"] if gate in good[1] - good[0])
        assert f"adds {len(good[1] - good[0])} candidate" in said and f"{first} first" in said
    settled(argue, argue.locator("#argue-reset").click)
    assert shown(argue) == expected(read_table("gates", run / "gates.parquet"))


def test_threshold_floor_and_caps_rank_as_in_the_package(argue: Any, run: Path, panels: list[Panel]) -> None:
    settled(argue, argue.locator("[aria-label='Positive from (counts)'] [data-value='1']").click)
    settled(argue, lambda: argue.get_by_label("Coverage floor").fill("0.3"))
    settled(argue, lambda: argue.get_by_label("cap of vital tissues").fill("0.2"))
    settled(argue, lambda: argue.get_by_label("weight of important tissues").fill("0.9"))
    tiers = {"vital": {"weight": 1.0, "cap": 0.2}, "important": {"weight": 0.9, "cap": 0.2}}
    theirs = judged(run, argued(panels[1], tiers=tiers), half=argued(panels[0], tiers=tiers), floor=0.3)
    assert shown(argue) == expected(theirs)
    gate = theirs["gate"].iloc[0]
    argue.locator("#gate-grid tbody a").first.click()
    card = argue.locator("#card")
    assert card.locator("#card-title").inner_text() == gate
    assert "as argued" in card.locator(".eyebrow").inner_text()
    own = card.locator("tr.this", has_text="as argued")
    assert theirs["safety_class"].iloc[0] in own.inner_text()


def test_settings_are_saved_as_files_that_run(argue: Any, tmp_path: Path) -> None:
    settled(argue, argue.locator("#argue .chip").first.click)
    tissue = argue.locator("#argue .chip[aria-pressed=true]").evaluate("(chip) => chip.firstChild.textContent")
    settled(argue, lambda: argue.get_by_label("Coverage floor").fill("0.35"))
    saved = []
    argue.on("download", lambda item: saved.append(item))
    argue.locator("#argue-save").click()
    argue.wait_for_function("() => true")
    for _ in range(50):
        if len(saved) == 2:
            break
        argue.wait_for_timeout(50)
    files = {item.suggested_filename: Path(item.path()) for item in saved}
    assert set(files) == {"counted-argued.yaml", "counted-argued_tiers.tsv"}
    (tmp_path / "argued.yaml").write_bytes(files["counted-argued.yaml"].read_bytes())
    config = load_config(tmp_path / "argued.yaml")
    assert (config.coverage_floor, config.tiers) == (0.35, "counted-argued_tiers.tsv")
    (tmp_path / config.tiers).write_bytes(files["counted-argued_tiers.tsv"].read_bytes())
    place = read_tiers(tmp_path / config.tiers).find(tissue)
    assert place is not None and (place.weight, place.cap) == (0.1, 1.0)


def test_any_two_antigens_make_a_gate(counted_report: Path, visit: Visit, panels: list[Panel], run: Path) -> None:
    page = visit(counted_report)
    page.wait_for_selector("html[data-evidence=yes]")
    listed = set(read_table("gates", run / "gates.parquet")["gate"])
    a, b = next((a, b) for a in panels[0].symbols for b in panels[0].symbols if a < b and f"{b} & ~{a}" not in listed)
    page.get_by_label("First antigen").fill(b.lower())
    page.get_by_label("Operator").select_option("& ~")
    page.get_by_label("Second antigen").fill(a)
    score = score_gates(panels[0], gates=Gates.parse([f"{b} & ~{a}"], panel=panels[0])).iloc[0]
    note = page.locator("#own-note").inner_text()
    assert note.startswith(f"{b} & ~{a}: {score['safety_class']}, coverage") and "not among the gates" in note
    page.get_by_role("button", name="Open its page").click()
    card = page.locator("#card")
    assert card.locator("#card-title").inner_text() == f"{b} & ~{a}"
    assert "your own" in card.locator(".eyebrow").inner_text()
    assert card.locator("table.truth tbody tr").count() == 4
    assert card.locator("table.truth tr.fires").count() == 1
    page.keyboard.press("Escape")
    page.get_by_label("Second antigen").fill("NOSUCHGENE")
    assert "No evidence in this file on NOSUCHGENE" in page.locator("#own-note").inner_text()


def test_a_card_counts_who_carries_both(counted_report: Path, visit: Visit, panels: list[Panel], run: Path) -> None:
    gate = next(g for g in read_table("gates", run / "gates.parquet")["gate"] if " & " in g and "~" not in g)
    page = visit(counted_report, f"#gate={quote(gate, safe='')}")
    page.wait_for_selector("#card table.truth")
    cells = page.locator("table.truth tbody tr td:nth-child(4)").all_inner_texts()
    counts = [int(text.split()[0].replace("\u202f", "")) for text in cells]
    panel = panels[0]
    total = int(panel.populations.loc[panel.is_tumor, "n_observations"].sum())
    assert sum(counts) == total
    table = pd.read_parquet(run / "exposure.parquet")
    mine = table[(table["gate"] == gate) & (table["side"] == "tumor")]
    assert counts[0] == int(mine["n_positive"].sum())
    assert page.locator("#card section", has_text="At other thresholds").locator("tbody tr").count() == 3


def test_an_antigen_shows_what_its_threshold_reaches_and_hurts(counted_report: Path, visit: Visit) -> None:
    page = visit(counted_report, "#antigen=CEACAM5")
    section = page.locator("#card section", has_text="At other thresholds")
    rows = section.locator("tbody tr").all_inner_texts()
    cells = [row.split("\t") for row in rows]
    words = section.locator("svg.curve").get_attribute("aria-label")
    told = [
        f"from {name.split('this run')[0].strip()}: coverage {reach}, liability {hurt}"
        for name, _, reach, hurt, *_ in cells
    ]
    assert len(told) == 3 and words == "; ".join(told)
    assert section.locator("svg.curve circle").count() == 6


def test_a_gate_of_three_has_a_page_with_every_way_to_carry_its_antigens(
    run: Path, visit: Visit, panels: list[Panel], tmp_path: Path
) -> None:
    gate = Gate.parse("(CEACAM5 | MSLN) & ~EPCAM")
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("report.html"))
    one = Gates.parse([gate], panel=panels[0])
    table = read_table("gates", tmp_path / "run" / "gates.parquet")
    larger = score_gates(panels[0], gates=one).assign(is_redundant=True, control="", rank=pd.NA)
    larger = conform("gates", larger).dropna(axis=1, how="all")
    write_table("gates", pd.concat([table, larger], ignore_index=True), tmp_path / "run" / "gates")
    page = visit(render_report(tmp_path / "run"), f"#gate={quote(str(gate), safe='')}")
    page.wait_for_selector("#card table.truth")
    lines = page.locator("table.truth tbody tr")
    assert page.locator("table.truth thead th").all_inner_texts()[:4] == [*gate.antigens, "Gate"]
    panel = panels[0]
    tumors = np.flatnonzero(panel.is_tumor)
    segments = panel.packed.segments
    carried = {}
    for symbol in gate.antigens:
        words = panel.packed.words[panel.index[symbol]].view(np.uint8)
        bits = np.unpackbits(words, bitorder="little").astype(bool)
        parts = segments[segments["population"].isin(tumors)][["start", "n_observations"]].itertuples(index=False)
        carried[symbol] = np.concatenate([bits[64 * start : 64 * start + n] for start, n in parts])
    fires = gate.evaluate(carried)
    for line, has in enumerate(itertools.product([True, False], repeat=3)):
        here = np.all([carried[symbol] == one for symbol, one in zip(gate.antigens, has, strict=True)], axis=0)
        cells = lines.nth(line).locator("td").all_inner_texts()
        assert cells[:3] == ["+" if one else "−" for one in has]
        assert int(cells[4].split()[0].replace("\u202f", "")) == here.sum()
        assert not here.any() or cells[3] == ("hits" if fires[here].all() else "spares")


def test_without_evidence_the_page_says_so(run: Path, visit: Visit, tmp_path: Path) -> None:
    for name in ("antigens.parquet", "gates.parquet", "shortlist.parquet", "exposure.parquet", "summary.json"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    page = visit(render_report(tmp_path))
    assert page.locator("#argue-open").is_hidden()
    assert page.locator("#own").is_hidden()
    assert "Argue mode and own gates are not in this file" in page.locator(".shortlist").inner_text()
