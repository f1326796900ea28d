"""The figures for notebooks: what they draw is what the tables say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from report_run import make_run

from cartarget.contracts import read_table
from cartarget.errors import InputError
from cartarget.plots import pareto, plot_coverage, plot_exposure, plot_gate, plot_window

mpl.use("Agg")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), n_antigens=20, n_gates=10, hostile=False)


@pytest.fixture
def ax() -> Iterator[Any]:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    yield axes
    figure.canvas.draw()
    pyplot.close(figure)


@pytest.mark.parametrize("across", ["liability", "window"])
def test_every_known_antigen_is_a_point(run: Path, ax: Any, across: str) -> None:
    antigens = read_table("antigens", run / "antigens.parquet")
    antigens.loc[0, "coverage"] = np.nan
    plot_window(antigens, ax=ax, across=across, label=["MSLN"])
    assert sum(len(points.get_offsets()) for points in ax.collections) == len(antigens) - 1
    assert [text.get_text() for text in ax.texts] == ["MSLN"]


@pytest.mark.parametrize(("across", "sign"), [("liability", 1), ("window", -1)])
def test_the_front_is_what_nothing_beats(run: Path, ax: Any, across: str, sign: int) -> None:
    antigens = read_table("antigens", run / "antigens.parquet")
    mine = antigens[antigens["control"].fillna("").eq("")]
    side, coverage = sign * mine[across].to_numpy(), mine["coverage"].to_numpy()
    beaten = [
        any((side <= x) & (coverage >= y) & ((side < x) | (coverage > y))) for x, y in zip(side, coverage, strict=True)
    ]
    assert set(pareto(antigens, across=across)["symbol"]) == set(mine["symbol"][~np.array(beaten)])
    plot_window(antigens, ax=ax, across=across)
    step, rings = ax.lines
    assert step.get_ydata().tolist() == pareto(antigens, across=across)["coverage"].tolist()
    assert len(rings.get_xdata()) == antigens["control"].eq("clinical").sum()


def test_window_refuses_what_it_does_not_know(run: Path, ax: Any) -> None:
    antigens = read_table("antigens", run / "antigens.parquet")
    with pytest.raises(InputError, match="expected one of liability, window"):
        plot_window(antigens, ax=ax, across="rank")
    with pytest.raises(InputError, match="'NOPE'"):
        plot_window(antigens, ax=ax, label=["NOPE"])


def test_exposure_leaves_the_unmeasured_masked(run: Path, ax: Any) -> None:
    exposure = read_table("exposure", run / "exposure.parquet")
    lung = (exposure["gate"] == "MSLN") & (exposure["population"] == "lung")
    exposure.loc[lung, "is_measured"] = False
    plot_exposure(exposure, gates=["CEACAM5", "MSLN"], ax=ax)
    drawn = ax.images[0].get_array()
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert bool(np.ma.getmaskarray(drawn)[rows.index("lung"), 1])
    assert not np.ma.getmaskarray(drawn)[rows.index("lung"), 0]
    assert rows.index("lung") < rows.index("prostate"), "vital first"
    assert ax.patch.get_hatch() == "////"
    with pytest.raises(InputError, match="no exposure of evidence 'cells'"):
        plot_exposure(exposure, gates=["MSLN"], ax=ax, evidence="cells")


def test_coverage_is_the_table_s(run: Path, ax: Any) -> None:
    exposure = read_table("exposure", run / "exposure.parquet")
    plot_coverage(exposure, gate="MSLN", ax=ax)
    row = exposure[(exposure["gate"] == "MSLN") & (exposure["side"] == "tumor")].iloc[0]
    assert ax.lines[0].get_xdata().tolist() == [row["fraction"]]
    with pytest.raises(InputError, match="no tumour row"):
        plot_coverage(exposure, gate="NOPE", ax=ax)


def test_a_gate_stands_beside_its_members(run: Path, ax: Any) -> None:
    gates, antigens = (read_table(name, run / f"{name}.parquet") for name in ("gates", "antigens"))
    gate = gates["gate"].iloc[0]
    members = [gates["best_member"].iloc[0]]
    plot_gate(gates, antigens=antigens, gate=gate, members=members, ax=ax)
    widths = [bar.get_width() for bar in ax.containers[0]]
    wanted = [gates["coverage"].iloc[0], antigens.set_index("symbol").at[members[0], "coverage"]]
    assert np.allclose(widths, wanted)
    with pytest.raises(InputError, match="in neither table"):
        plot_gate(gates, antigens=antigens, gate=gate, members=["NOPE"], ax=ax)
