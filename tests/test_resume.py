"""What was asked of a step: any change of what it reads is seen, however well it is hidden."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cartarget.config import AtlasConfig, Config
from cartarget.run.resume import SMALL, question
from cartarget.run.steps import STEPS, Step


def asked(path: Path) -> str:
    return question(Config(), keys=[], inputs=[path])


def change_in_place(path: Path, old: bytes, new: bytes) -> None:
    """Other bytes, the same size and times: what `rsync -t` of another version leaves."""
    stat = path.stat()
    path.write_bytes(path.read_bytes().replace(old, new))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)


def test_a_small_table_changed_in_place_is_seen(tmp_path: Path) -> None:
    tiers = tmp_path / "tiers.tsv"
    tiers.write_text("heart\tvital\t1\n")
    before = asked(tiers)
    assert asked(tiers) == before
    change_in_place(tiers, b"\t1\n", b"\t0\n")
    assert asked(tiers) != before


def test_a_large_file_is_told_by_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with open(path, "wb") as handle:
        handle.truncate(SMALL + 1)
    before = asked(path)
    os.utime(path, ns=(0, 1))
    assert asked(path) != before
    assert asked(path).count('""') == 1, "it is not read"


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """A step that copies a table, done in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    Path("table").write_text("1")
    Path("results/demo/log").mkdir(parents=True)

    def copy(config: Config) -> None:
        Path("copy").write_text(Path("table").read_text())

    return Step("copy", copy, keys=(), inputs=lambda config: ["table"], outputs=lambda config: ["copy"])


def test_a_step_whose_table_was_changed_in_place_is_not_done(step: Step) -> None:
    step.do(Config())
    assert step.is_done(Config())
    change_in_place(Path("table"), b"1", b"0")
    assert not step.is_done(Config())


def test_every_chunk_of_a_zarr_store_is_an_input(tmp_path: Path) -> None:
    for name in ("zarr.json", "X/data/0"):
        (tmp_path / "a.zarr" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a.zarr" / name).touch()
    config = Config(data_dir=str(tmp_path), atlases=[AtlasConfig(name="a", reader="zarr", path="a.zarr")])
    inputs = STEPS[0].inputs(config)
    assert [path.split("a.zarr/")[1] for path in inputs if "a.zarr" in path] == ["X/data/0", "zarr.json"]
