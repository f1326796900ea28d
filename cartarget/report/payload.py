"""The report's data in one compact block: columns quantised into typed arrays, packed, gzipped, base64."""

from __future__ import annotations

import base64
import gzip
import json
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet

from cartarget.contracts import TABLES, Column

FRACTION = 10_000
"""Table fractions are stored as whole ten-thousandths."""
EXPOSED = 1_000
"""Exposure fractions are stored as whole thousandths."""
LEVEL = 256
"""Levels are stored as whole 256ths of log2(1 + level), the sign kept apart."""
MISSING = -32_768
"""A missing value in an array of 16-bit integers."""

EVIDENCE = ("cells", "samples", "summary", "protein")
TIERS = ("vital", "important", "tolerable", "ignored")
_SLOT = ["side", "evidence", "atlas", "tier", "tissue", "cell_type", "population"]
_COUNTS = ("n_observations", "n_donors", "n_positive", "people_over_cap")
_FRACTIONS = ("fraction", "fraction_lower", "fraction_upper", "fraction_naive", "fraction_trans", "power")


@dataclass
class Block:
    """Named arrays behind a JSON header; `encode` gives the text that the page decodes."""

    header: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def encode(self) -> str:
        """The packed block as base64."""
        return base64.b64encode(self.pack()).decode("ascii")

    def pack(self) -> bytes:
        """Little-endian: header length (4 bytes), header, arrays at multiples of 4; gzip without clock."""
        places: dict[str, list[Any]] = {}
        chunks: list[bytes] = []
        offset = 0
        for name, values in self.arrays.items():
            data = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
            data += b"\0" * (-len(data) % 4)
            places[name] = [values.dtype.str[1:], offset, int(values.size)]
            chunks.append(data)
            offset += len(data)
        text = json.dumps(self.header | {"arrays": places}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        head = text.encode("utf-8")
        head += b" " * (-len(head) % 4)
        raw = len(head).to_bytes(4, "little") + head + b"".join(chunks)
        return gzip.compress(raw, compresslevel=6, mtime=0)


def quantise(values: np.ndarray, *, scale: int) -> np.ndarray:
    """Round `values × scale` to 16-bit integers; NaN becomes `MISSING`.

    Examples
    --------
    >>> quantise(np.array([0.5, np.nan, 1.0]), scale=1000).tolist()
    [500, -32768, 1000]
    """
    numbers = np.asarray(values, dtype=np.float64) * scale
    return np.where(np.isfinite(numbers), np.clip(np.rint(np.nan_to_num(numbers)), -32_767, 32_767), MISSING).astype(
        np.int16
    )


def quantise_level(values: np.ndarray) -> np.ndarray:
    """Levels on a signed log2 scale: `sign(x) · log2(1 + |x|)`, within 0.14 % of 1 + |x|.

    Examples
    --------
    >>> quantise_level(np.array([0.0, 1.0, -3.0])).tolist()
    [0, 256, -512]
    """
    numbers = np.asarray(values, dtype=np.float64)
    return quantise(np.sign(numbers) * np.log2(1 + np.abs(numbers)), scale=LEVEL)


def add_table(block: Block, table: str, frame: pd.DataFrame, *, contract: str | None = None) -> None:
    """Put a table into the block, column by column, with the column dictionary of its contract (else of its name)."""
    described = []
    for column in TABLES[contract or table]:
        entry = {key: getattr(column, key) for key in ("name", "kind", "title", "meaning", "unit", "better", "formula")}
        described.append(entry | _pack_column(block, f"{table}.{column.name}", column, frame[column.name]))
    block.header[table] = {"n": len(frame), "columns": described}


def _pack_column(block: Block, key: str, column: Column, values: pd.Series) -> dict[str, Any]:
    if column.kind in ("text", "category"):
        codes, words = pd.factorize(values.astype("string"), use_na_sentinel=True)
        block.arrays[key] = codes.astype(np.int16 if len(words) < 2**15 else np.int32)
        return {"words": [str(word) for word in words]}
    if column.kind == "flag":
        block.arrays[key] = values.astype("boolean").astype("Int8").fillna(-1).to_numpy(dtype=np.int8)
    elif column.kind == "count":
        block.arrays[key] = values.astype("Int64").fillna(-1).to_numpy(dtype=np.int32)
    elif column.kind == "fraction":
        block.arrays[key] = quantise(values.to_numpy(dtype=np.float64, na_value=np.nan), scale=FRACTION)
    else:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        block.arrays[key] = np.round(numbers, 4).astype(np.float32)
    return {}


def read_exposure(path: str | os.PathLike[str], *, gates: pd.Index) -> pd.DataFrame:
    """Read the exposure rows of some gates, text columns as categories, `gate` as its place in `gates`."""
    wanted = [column.name for column in TABLES["exposure"]]
    texts = [column.name for column in TABLES["exposure"] if column.kind == "category"]
    table = pyarrow.parquet.read_table(path, columns=wanted, read_dictionary=texts)
    frame = table.to_pandas(strings_to_categorical=True, self_destruct=True)
    place = gates.get_indexer(frame["gate"].cat.categories)
    codes = frame["gate"].cat.codes.to_numpy()
    frame["gate"] = np.where(codes >= 0, place[codes], -1) if len(place) else np.int64(-1)
    return frame[frame["gate"] >= 0].reset_index(drop=True)


def add_exposure(block: Block, frame: pd.DataFrame, *, gates: pd.Index) -> None:
    """Put exposure into the block: places (population × evidence × atlas) by gates, place after place.

    A gate without a row in a place has the flag 0 there; the page shows it as not measured.
    """
    place, places = _places(frame)
    at = place.astype(np.int64) * len(gates) + frame["gate"].to_numpy(dtype=np.int64)
    size = len(places) * len(gates)
    flags = np.zeros(size, dtype=np.uint8)
    by_cells = (frame["decided_by"].astype(str) == "cells") & (frame["evidence"].astype(str) != "cells")
    flags[at] = 1 + 2 * _flag(frame["is_measured"]) + 4 * _flag(frame["is_thin"]) + 8 * _flag(by_cells)
    block.arrays["exposure.flags"] = flags
    for name in _FRACTIONS:
        block.arrays[f"exposure.{name}"] = _spread(size, at, quantise(_floats(frame[name]), scale=EXPOSED))
    block.arrays["exposure.level"] = _spread(size, at, quantise_level(_floats(frame["level"])))
    for name in _COUNTS:
        counts = frame[name].astype("Int64").fillna(-1).to_numpy(dtype=np.int64)
        narrow = np.int16 if counts.max(initial=0) < 2**15 else np.int32
        block.arrays[f"exposure.{name}"] = _spread(size, at, counts.astype(narrow), empty=-1)
    block.header["exposure"] = {"gates": [str(gate) for gate in gates], "places": places}


def _places(frame: pd.DataFrame) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Number each row's place, and describe the places: cells first, vital tissues first, then by name."""
    key = np.zeros(len(frame), dtype=np.int64)
    for name in _SLOT:
        column = frame[name].astype("category").cat
        key = key * (len(column.categories) + 1) + column.codes.to_numpy(dtype=np.int64) + 1
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    texts = [*_SLOT, "assay", "unit"]
    rows = frame.loc[first, [*texts, "is_origin"]].astype(dict.fromkeys(texts, "object"))
    places = [
        {name: "" if pd.isna(row[name]) else row[name] for name in texts} | {"is_origin": bool(row["is_origin"])}
        for row in rows.to_dict("records")
    ]
    order = sorted(range(len(places)), key=lambda item: _order(places[item]))
    rank = np.empty(len(places), dtype=np.int64)
    rank[order] = np.arange(len(places))
    return rank[number], [places[item] for item in order]


def _order(place: dict[str, Any]) -> tuple[Any, ...]:
    ranks = [(place["side"], ("tumor", "normal")), (place["evidence"], EVIDENCE), (place["tier"], TIERS)]
    return *(words.index(word) if word in words else len(words) for word, words in ranks), *(
        place[name] for name in _SLOT
    )


def _spread(size: int, at: np.ndarray, values: np.ndarray, *, empty: int = MISSING) -> np.ndarray:
    out = np.full(size, empty, dtype=values.dtype)
    out[at] = values
    return out


def _flag(values: pd.Series) -> np.ndarray:
    return values.astype("boolean").fillna(False).to_numpy(dtype=np.uint8)


def _floats(values: pd.Series) -> np.ndarray:
    return values.to_numpy(dtype=np.float64, na_value=np.nan)
