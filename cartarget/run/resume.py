"""What a step was asked and which files it read, noted beside its log, so that no run does the same work twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from cartarget.config import Config
from cartarget.files import sha256
from cartarget.provenance import describe_config, portable, versions

SMALL = 8_000_000
"""Bytes up to which a file is read again to see whether it has changed."""


def question(config: Config, *, keys: Iterable[str], inputs: Iterable[str | os.PathLike[str]]) -> str:
    """All that a step's outputs depend on, as text: equal text, equal outputs.

    Parameters
    ----------
    config
        The run.
    keys
        Keys of the configuration that the step reads.
    inputs
        Files that it reads. Each is told by its size and the time of its last change, down to the nanosecond; a file of
        up to 8 MB by its SHA-256 as well, since a table may be changed with the time and size kept (`rsync -t`).

    Returns
    -------
    JSON with the code's digest, the versions of packages, the keys' values and the files.

    Raises
    ------
    FileNotFoundError
        An input is not there.

    Examples
    --------
    >>> one = question(Config(), keys=["seed"], inputs=[])
    >>> one == question(Config(title="Other"), keys=["seed"], inputs=[])
    True
    >>> one == question(Config(seed=1), keys=["seed"], inputs=[])
    False
    """
    told = describe_config(config)
    files = {portable(path): Path(path) for path in inputs}
    content = {
        "code": _code(),
        "versions": versions(),
        "asked": {key: told[key] for key in keys},
        "inputs": {name: _state(path) for name, path in sorted(files.items())},
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _state(path: Path) -> list[int | str]:
    """What tells a file from what it was: size, time of the last change, and the digest of a small one."""
    stat = path.stat()
    is_small = path.is_file() and stat.st_size <= SMALL
    return [stat.st_size, stat.st_mtime_ns, sha256(path) if is_small else ""]


@cache
def _code() -> str:
    """Digest of the package's own files: code, tables, templates and scripts."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*")):
        if path.is_file() and path.parent.name != "__pycache__":
            digest.update(path.read_bytes())
    return digest.hexdigest()
