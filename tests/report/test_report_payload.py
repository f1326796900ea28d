"""The payload says what the tables say: decoded here by hand, as the page does it."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from report_run import make_run

from cartarget.contracts import read_table
from cartarget.report.payload import (
    EXPOSED,
    LEVEL,
    MISSING,
    Block,
    add_exposure,
    add_table,
    quantise,
    quantise_level,
    read_exposure,
)


def decode(text: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    raw = gzip.decompress(base64.b64decode(text))
    size = int.from_bytes(raw[:4], "little")
    header = json.loads(raw[4 : 4 + size])
    arrays = {
        name: np.frombuffer(raw, dtype=f"<{kind}", count=length, offset=4 + size + offset)
        for name, (kind, offset, length) in header["arrays"].items()
    }
    return header, arrays


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=50))
def test_fractions_come_back_within_half_a_step(values: list[float | None]) -> None:
    given = np.array([np.nan if value is None else value for value in values])
    stored = quantise(given, scale=EXPOSED)
    assert np.array_equal(stored == MISSING, np.isnan(given))
    known = ~np.isnan(given)
    assert np.all(np.abs(stored[known] / EXPOSED - given[known]) <= 0.5 / EXPOSED + 1e-12)


@given(st.floats(-1e6, 1e6))
def test_levels_come_back_within_a_fifth_of_a_percent(value: float) -> None:
    stored = int(quantise_level(np.array([value]))[0])
    back = np.sign(stored) * (2 ** (abs(stored) / LEVEL) - 1)
    assert abs(back - value) <= 0.002 * (1 + abs(value))


def test_encoding_survives_odd_sizes_and_is_the_same_twice() -> None:
    block = Block(
        {"name": "é</script>"},
        {"a": np.array([1, 2, 3], dtype=np.int8), "b": np.array([1.5, np.nan], dtype=np.float32)},
    )
    header, arrays = decode(block.encode())
    assert header["name"] == "é</script>"
    assert arrays["a"].tolist() == [1, 2, 3]
    assert arrays["b"][0] == 1.5 and np.isnan(arrays["b"][1])
    assert block.encode() == block.encode()


def test_every_exposure_row_is_found_again(tmp_path: Path) -> None:
    run = make_run(tmp_path, n_antigens=8, n_gates=5)
    gates = pd.Index(read_table("antigens", run / "antigens.parquet")["symbol"].astype(str))
    block = Block()
    frame = read_exposure(run / "exposure.parquet", gates=gates)
    add_exposure(block, frame, gates=gates)
    header, arrays = decode(block.encode())
    places = header["exposure"]["places"]
    exposure = read_table("exposure", run / "exposure.parquet")
    exposure = exposure[exposure["gate"].isin(gates)]
    assert (arrays["exposure.flags"] > 0).sum() == len(exposure)
    number = {(place["population"], place["evidence"], place["side"]): i for i, place in enumerate(places)}
    for row in exposure.itertuples():
        at = number[row.population, row.evidence, row.side] * len(gates) + gates.get_loc(row.gate)
        assert abs(arrays["exposure.fraction_upper"][at] / EXPOSED - row.fraction_upper) <= 0.0006
        assert bool(arrays["exposure.flags"][at] & 2) == row.is_measured
        assert (arrays["exposure.n_donors"][at] == -1) == pd.isna(row.n_donors)
        assert (arrays["exposure.level"][at] == MISSING) == pd.isna(row.level)


def test_what_has_no_row_is_neither_measured_nor_zero(tmp_path: Path) -> None:
    run = make_run(tmp_path, n_antigens=4, n_gates=0)
    gates = pd.Index([*read_table("antigens", run / "antigens.parquet")["symbol"].astype(str), "ABSENT"])
    block = Block()
    add_exposure(block, read_exposure(run / "exposure.parquet", gates=gates), gates=gates)
    flags = block.arrays["exposure.flags"].reshape(-1, len(gates))
    upper = block.arrays["exposure.fraction_upper"].reshape(-1, len(gates))
    assert (flags[:, -1] == 0).all()
    assert (upper[:, -1] == MISSING).all()


def test_places_put_cells_before_summaries_and_vital_before_the_rest(tmp_path: Path) -> None:
    run = make_run(tmp_path, n_antigens=3, n_gates=0)
    gates = pd.Index(read_table("antigens", run / "antigens.parquet")["symbol"].astype(str))
    block = Block()
    add_exposure(block, read_exposure(run / "exposure.parquet", gates=gates), gates=gates)
    places = block.header["exposure"]["places"]
    assert places[0]["side"] == "tumor"
    tiers = [place["tier"] for place in places if place["evidence"] == "samples" and place["side"] == "normal"]
    order = {"vital": 0, "important": 1, "tolerable": 2, "ignored": 3}
    assert tiers == sorted(tiers, key=lambda tier: order[tier])


def test_a_table_keeps_missing_apart_from_zero_and_false(tmp_path: Path) -> None:
    run = make_run(tmp_path, n_antigens=6, n_gates=0)
    frame = read_table("antigens", run / "antigens.parquet")
    frame.loc[0, "coverage"] = np.nan
    frame.loc[1, "coverage"] = 0.0
    block = Block()
    add_table(block, "antigens", frame)
    assert block.arrays["antigens.coverage"][:2].tolist() == [MISSING, 0]
    controls = frame["control"].isna().to_numpy()
    assert ((block.arrays["antigens.control"] == -1) == controls).all()
    assert ((block.arrays["antigens.rank"] == -1) == frame["rank"].isna().to_numpy()).all()
