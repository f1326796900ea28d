"""Where a result comes from is told without a clock, a host or an absolute path."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tqdm import tqdm

from cartarget.config import Config, load_config, parse_config
from cartarget.files import sha256
from cartarget.provenance import input_records, journal, portable, write_provenance


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_same_run_gives_the_same_bytes(folder: Path) -> None:
    (folder / "b.tsv").write_text("b")
    (folder / "a.tsv").write_text("a")
    first = write_provenance(Config(), inputs=["b.tsv", "a.tsv", folder / "a.tsv"]).read_bytes()
    assert write_provenance(Config(), inputs=[Path("a.tsv"), "b.tsv"]).read_bytes() == first
    told = json.loads(first)
    assert [record["path"] for record in told["inputs"]] == ["a.tsv", "b.tsv"]
    assert told["inputs"][0]["sha256"] == sha256("a.tsv")


def test_no_absolute_path_is_told(folder: Path) -> None:
    config = Config(data_dir=str(folder / "data"))  # type: ignore[call-arg]
    (folder / "data").mkdir()
    (folder / "data" / "a.tsv").touch()
    text = write_provenance(config, inputs=[config.data("a.tsv")]).read_text()
    assert str(folder) not in text
    assert json.loads(text)["config"]["data_dir"] == "data"


def test_the_command_repeats_the_run(folder: Path) -> None:
    config = parse_config(
        {"name": "mine", "title": "Rectal: a «trial»", "thresholds": {"bulk": 5}, "origin": ["colon"]}
    )
    command = json.loads(write_provenance(config, inputs=[]).read_text())["command"]
    assert command == "cartarget run results/mine/config.yaml"
    assert load_config(command.split()[-1]) == config


def test_records_of_readers_are_kept() -> None:
    assert input_records([{"path": "x/../b", "sha256": "2"}, {"path": "a", "sha256": "1"}])[0]["path"] == "a"
    assert portable("x/b") == "x/b"


def test_a_journal_tells_what_happened(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="wrong"), journal("log/read.log", title="read"):
        print("reading", file=sys.stderr)
        raise ValueError("wrong")
    lines = Path("log/read.log").read_text().splitlines()
    assert lines[0] == "step: read"
    assert lines[1].startswith("command: ")
    assert lines[2:4] == ["reading", "failed: ValueError: wrong"]
    assert lines[4].startswith("seconds: ")
    assert capsys.readouterr().err == "reading\n", "the terminal still shows it"


def test_a_journal_leaves_out_what_is_drawn_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with journal("log/read.log", title="read"):
        for _ in tqdm(range(3), file=sys.stderr, disable=False):
            pass
        print("26 files", file=sys.stderr)
    text = Path("log/read.log").read_text()
    assert "26 files" in text and "3/3" not in text and "\r" not in text
    assert "3/3" in capsys.readouterr().err
