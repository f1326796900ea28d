"""The evidence store: counted atlases on disk, written once, whole or not at all, memory-mapped by every later step.

A part is a folder: `part.json` (form, names, thresholds), `words.npy` (plain words, thresholds × antigens × words, so
that a step maps the one threshold that it asks for), `arrays.npz`, `populations.parquet` and `segments.parquet`.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cartarget.errors import InputError
from cartarget.evidence.part import Part
from cartarget.files import on_disk

FORM = 4
"""Version of the form; a store of another one is counted again."""

_ARRAYS = (
    "donor", "is_measured", "key", "levels", "level_population", "level_donor", "level_depth", "depth", "seen",
    "lesion", "lesions",
)  # fmt: skip
_TABLES = ("populations", "segments")
_TEXTS = ("atlas", "kind", "unit", "symbols", "thresholds", "donors", "derived", "traits")


def write_part(part: Part, folder: str | os.PathLike[str]) -> None:
    """Write a part; a folder of that name is replaced once the new one is complete.

    Parameters
    ----------
    part
        A counted atlas.
    folder
        Where it will lie.

    Raises
    ------
    CartargetError
        The disk is full.
    """
    folder = Path(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    for left in folder.parent.glob(f".{folder.name}.*.part"):
        if not _is_running(int(left.name.split(".")[-2])):
            shutil.rmtree(left, ignore_errors=True)
    try:
        with on_disk(folder):
            _fill(part, temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _fill(part: Part, temporary: Path) -> None:
    temporary.mkdir(parents=True)
    np.save(temporary / "words.npy", part.words, allow_pickle=False)
    np.savez(temporary / "arrays.npz", allow_pickle=False, **{name: getattr(part, name) for name in _ARRAYS})
    part.populations.to_parquet(temporary / "populations.parquet", index=False)
    part.segments.to_parquet(temporary / "segments.parquet", index=False)
    about = {name: getattr(part, name) for name in _TEXTS} | {"form": FORM, "shape": list(part.words.shape)}
    about["bytes"] = {file.name: file.stat().st_size for file in sorted(temporary.iterdir())}
    (temporary / "part.json").write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _is_running(process: int) -> bool:
    """Whether a process is at work; what a dead one left half-written is removed by the next."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return process != os.getpid()


def read_part(folder: str | os.PathLike[str]) -> Part:
    """Read a part; its words are memory-mapped.

    Parameters
    ----------
    folder
        What `write_part` wrote.

    Raises
    ------
    InputError
        The folder is absent, incomplete, damaged or of another form; the message says what to do.
    """
    folder = Path(folder)
    again = f"delete {folder} and run the count step again (`cartarget run` does all steps)"
    try:
        about = json.loads((folder / "part.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder}: no counted atlas; run the count step first (`cartarget run` does all)") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}/part.json: damaged ({error}); {again}") from error
    if isinstance(about, dict) and about.get("form", FORM) != FORM:
        raise InputError(f"{folder}: found form {about['form']}, expected {FORM}; {again}")
    if not isinstance(about, dict) or not about.keys() >= {"form", "bytes", *_TEXTS}:
        raise InputError(f"{folder}/part.json: damaged (it does not describe a part); {again}")
    for name, size in about["bytes"].items():
        found = (folder / name).stat().st_size if (folder / name).exists() else None
        if found != size:
            state = "is missing" if found is None else f"has {found:,} bytes, expected {size:,}"
            raise InputError(f"{folder}/{name}: {state}; {again}")
    try:
        arrays: dict[str, Any] = dict(np.load(folder / "arrays.npz", allow_pickle=False))
        words = np.load(folder / "words.npy", mmap_mode="r", allow_pickle=False)
        tables: dict[str, Any] = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder}: damaged ({error}); {again}") from error
    texts: dict[str, Any] = {name: tuple(value) if isinstance(value := about[name], list) else value for name in _TEXTS}
    texts["traits"] = {name: tuple(values) for name, values in texts["traits"].items()}
    return Part(words=words, **texts, **arrays, **tables)
