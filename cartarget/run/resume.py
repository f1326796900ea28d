"""What a step was asked and which files it read, noted beside its log, so that no run does the same work twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from cartarget.config import Config
from cartarget.provenance import describe_config, portable, versions


def question(config: Config, *, keys: Iterable[str], inputs: Iterable[str | os.PathLike[str]]) -> str:
    """All that a step's outputs depend on, as text: equal text, equal outputs.

    Parameters
    ----------
    config
        The run.
    keys
        Keys of the configuration that the step reads.
    inputs
        Files that it reads. Each is told by its size and the time of its last change, down to the nanosecond.

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
    stats = {portable(path): Path(path).stat() for path in inputs}
    content = {
        "code": _code(),
        "versions": versions(),
        "asked": {key: told[key] for key in keys},
        "inputs": {path: [stat.st_size, stat.st_mtime_ns] for path, stat in sorted(stats.items())},
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


@cache
def _code() -> str:
    """Digest of the package's own files: code, tables, templates and scripts."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*")):
        if path.is_file() and path.parent.name != "__pycache__":
            digest.update(path.read_bytes())
    return digest.hexdigest()
