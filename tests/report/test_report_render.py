"""The file itself: closed to the network, safe against its data, the same every time."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from pathlib import Path

import pytest
from report_run import HOSTILE, make_run, make_unknown_run

import cartarget.report
from cartarget.contracts import CLASSES
from cartarget.errors import InputError
from cartarget.report.engine import read_engine
from cartarget.report.render import SCRIPTS, STYLES, _shapes, choose_gates, render_report

ASSETS = Path(cartarget.report.__file__).parent / "assets"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return render_report(make_run(tmp_path_factory.mktemp("run"))).read_text(encoding="utf-8")


def test_same_tables_same_bytes(tmp_path: Path) -> None:
    first = render_report(make_run(tmp_path / "a")).read_bytes()
    assert first == render_report(make_run(tmp_path / "b")).read_bytes()
    assert first == render_report(tmp_path / "a").read_bytes()


def test_policy_allows_the_one_script_and_the_one_style_only(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.group(1).replace("&#39;", "'").split(";"))
    assert rules["default-src"] == "'none'"
    for tag, rule in (('<script type="module">', "script-src"), ("<style>", "style-src")):
        text = page.split(tag, 1)[1].split(f"</{tag[1:].split()[0].rstrip('>')}>", 1)[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert "over cap" not in policy.group(1)


def test_nothing_is_loaded_and_nothing_runs_inline(page: str) -> None:
    markup = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    assert not re.search(r"\s(?:src|srcset|action|formaction)=", markup)
    assert not re.search(r"\son\w+=", markup)
    assert not re.search(r"<(?:link|iframe|object|embed|img)\b", markup)
    assert all(link.startswith("#") for link in re.findall(r'href="([^"]*)"', markup))
    assert page.count("<script") == 2
    assert "style=" not in markup


def test_hostile_names_are_text(page: str) -> None:
    assert HOSTILE not in page
    assert "<img" not in page


@pytest.mark.parametrize("key", ["title", "question", "command"])
def test_hostile_words_of_the_summary_are_text(tmp_path: Path, key: str) -> None:
    text = render_report(make_run(tmp_path, n_antigens=4, n_gates=2, **{key: HOSTILE})).read_text(encoding="utf-8")
    assert HOSTILE not in text
    assert "&lt;/script&gt;&lt;img src=x" in text


def test_our_code_never_makes_markup_from_data() -> None:
    for name in SCRIPTS:
        text = (ASSETS / f"{name}.js").read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|fetch\(", text
        ), name
    for name in STYLES:
        assert not re.search(r"url\(|@import", (ASSETS / f"{name}.css").read_text(encoding="utf-8")), name


def test_modules_share_one_scope_without_a_clash() -> None:
    pattern = re.compile(r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)
    found = [
        name for module in SCRIPTS for name in pattern.findall((ASSETS / f"{module}.js").read_text(encoding="utf-8"))
    ]
    assert len(found) == len(set(found)) > 40


def test_the_engine_is_named_with_version_checksum_and_licence(page: str) -> None:
    engine = read_engine()
    assert f"DataTables {engine.version}" in page
    assert engine.sha256 in page
    assert "MIT" in page
    assert "SpryMedia" in engine.script, "the licence notice travels with the code"


@pytest.mark.parametrize("text", ["export{a as b};", "DataTables 2.3.8", "", "export{x as default};"])
def test_a_bundle_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    bundle = tmp_path / "dt_bundle.js"
    bundle.write_text(text)
    with pytest.raises(InputError, match="install itables"):
        read_engine(bundle)


@pytest.mark.parametrize("name", ["antigens.parquet", "gates.parquet", "exposure.parquet", "summary.json"])
def test_a_missing_file_is_named_and_nothing_is_left_behind(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path, n_antigens=4, n_gates=2)
    (run / name).unlink()
    before = sorted(run.iterdir())
    with pytest.raises(InputError, match=re.escape(name)):
        render_report(run)
    assert sorted(run.iterdir()) == before


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_summary_is_named(tmp_path: Path, content: str) -> None:
    run = make_run(tmp_path, n_antigens=4, n_gates=2)
    (run / "summary.json").write_text(content)
    with pytest.raises(InputError, match=r"summary\.json"):
        render_report(run)


def test_a_run_that_knows_nothing_still_has_a_report(tmp_path: Path) -> None:
    text = render_report(make_unknown_run(tmp_path)).read_text(encoding="utf-8")
    assert "Research use only" in text
    assert "This run has no controls" in text


def test_simulated_runs_say_so_and_real_ones_do_not(tmp_path: Path) -> None:
    simulated = render_report(make_run(tmp_path / "s", n_antigens=4, n_gates=2, is_simulated=True)).read_text(
        encoding="utf-8"
    )
    assert "SIMULATED DATA" in simulated
    assert "SIMULATED DATA" not in render_report(make_run(tmp_path / "r", n_antigens=4, n_gates=2)).read_text(
        encoding="utf-8"
    )


def test_gates_left_out_are_counted(tmp_path: Path) -> None:
    run = make_run(tmp_path, n_antigens=10, n_gates=40)
    text = render_report(run, max_gates=12).read_text(encoding="utf-8")
    assert re.search(r"12 of the \d+ reported gates are in this file", text)


def test_ranked_gates_go_first_then_controls(tmp_path: Path) -> None:
    import pandas as pd

    gates = pd.DataFrame({"rank": [None, 2, None, 1], "control": ["", None, "clinical", None]})
    assert choose_gates(gates, limit=3).tolist() == [1, 2, 3]
    assert choose_gates(gates, limit=1).tolist() == [3]
    assert choose_gates(gates, limit=9).tolist() == [0, 1, 2, 3]


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [":root {", ':root[data-theme="dark"] {'])
def test_text_has_contrast_aa_in_both_themes(theme: str) -> None:
    text = (ASSETS / "base.css").read_text(encoding="utf-8").split(theme, 1)[1].split("}", 1)[0]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", text))
    pairs = list(itertools.product(["ink", "soft", "faint", "accent", "harm"], ["ground", "surface"]))
    pairs += [(name, f"{name}-soft") for name in ("safe", "origin", "unknown", "unsafe")]
    pairs += [("banner-ink", "banner"), ("ink", "accent-soft"), ("ground", "accent"), ("soft", "sunken")]
    for front, back in pairs:
        light, dark = sorted((_luminance(colours[front]), _luminance(colours[back])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (front, back)


def test_the_whole_names_of_the_funnel_genes_travel(page: str) -> None:
    import gzip

    packed = page.split('id="payload">', 1)[1].split("<", 1)[0]
    raw = gzip.decompress(base64.b64decode(packed))
    header = json.loads(raw[4 : 4 + int.from_bytes(raw[:4], "little")])
    lost = header["run"]["lost"]
    assert lost["reasons"][lost["at"][lost["names"].index("ACTB")]] == "no surface vote"


def test_a_report_that_grows_too_large_leaves_gates_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path, n_antigens=40, n_gates=300)
    whole = render_report(run).stat().st_size
    monkeypatch.setattr("cartarget.report.render.BUDGET", whole - 1)
    text = render_report(run).read_text(encoding="utf-8")
    assert len(text.encode()) < whole
    assert re.search(r"\d+ of the \d+ reported gates are in this file", text)


def test_every_class_has_an_outline_of_its_own() -> None:
    assert list(_shapes()) == list(CLASSES)
    assert len(set(_shapes().values())) == len(CLASSES)
