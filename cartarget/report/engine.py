"""The table engine: DataTables, read out of the installed `itables` package when a report is rendered."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from cartarget.errors import InputError

_BUNDLE = "itables/html/dt_bundle.js"
_EXPORT = re.compile(r"export\{([^{}]*)\};")


@dataclass(frozen=True)
class Engine:
    """DataTables as one JavaScript expression, with what a reader needs to trust it."""

    script: str
    version: str
    package: str
    sha256: str
    parts: tuple[str, ...]
    licence: str = "MIT (DataTables © SpryMedia Ltd, jQuery © OpenJS Foundation, JSZip © Stuart Knightley, itables)"


def read_engine(bundle: Path | None = None) -> Engine:
    """Read the ES module that `itables` ships, strip its `export` and wrap it as an expression.

    The checksum is that of the file as installed. Nothing of `itables` itself is imported or run.

    Parameters
    ----------
    bundle
        File to read instead of the installed one.

    Raises
    ------
    InputError
        `itables` is absent, or its bundle no longer has the shape that is expected here.

    Examples
    --------
    >>> read_engine().version.split(".")[0]
    '2'
    """
    package, path = _installed() if bundle is None else ("unknown", bundle)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the table engine cannot be read ({error}); install itables 2.5 or later") from error
    text = raw.decode("utf-8").replace("\r\n", "\n")
    exported = _EXPORT.search(text)
    default = re.search(r"([\w$]+) as default", exported.group(1)) if exported else None
    version = re.search(r"DataTables (2\.\d+\.\d+)", text)
    if exported is None or default is None or version is None:
        raise InputError(
            f"{path}: expected an ES module of DataTables 2 with a default export; install itables 2.5 or later"
        )
    body = text[: exported.start()] + text[exported.end() :]
    return Engine(
        script=f"const DataTable = (() => {{\n{body}\nreturn {default.group(1)};\n}})();\n",
        version=version.group(1),
        package=package,
        sha256=hashlib.sha256(raw).hexdigest(),
        parts=_parts(text[exported.end() :]),
    )


def _installed() -> tuple[str, Path]:
    try:
        found = distribution("itables")
    except PackageNotFoundError as error:
        raise InputError("itables is not installed; the report's tables come out of it: pip install itables") from error
    return found.version, Path(str(found.locate_file(_BUNDLE)))


def _parts(banner: str) -> tuple[str, ...]:
    names = re.findall(
        r"(?:\(\*!|\*)\s*((?:[A-Z][\w.]*)(?: JavaScript Library| for DataTables)? v?\d+\.\d+\.\d+)", banner
    )
    return tuple(dict.fromkeys(names))
