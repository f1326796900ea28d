"""What can be known to be wrong with a run before anything is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cartarget.config import AtlasConfig, Config
from cartarget.errors import ConfigError, InputError
from cartarget.run.inputs import input_paths, place_of
from cartarget.sheet import ASSAYS

_OBSERVED = (*ASSAYS["bulk"], *ASSAYS["single_cell"], "simulated")
READERS_OF = {
    "counted": _OBSERVED,
    "replication": _OBSERVED,
    "shown": (*ASSAYS["single_cell"], "simulated"),
    "normal": ASSAYS["summary"],
    "protein": ("ihc",),
    "proteome": ("proteome",),
    "antibodies": ("citeseq",),
    "tumor_protein": ("ihc_cancer", "cptac"),
}
"""Role of an atlas → readers whose atlases can have it."""


def check_run(config: Config) -> None:
    """Check the indication, the table of tiers, the role of each atlas, and that every file is there.

    Raises
    ------
    ConfigError
        An atlas is of a kind that its role cannot use, or none can hold the tumour that orders the ranking.
    InputError
        The indication is unknown, a table is malformed, or a file that the run would read is not there.

    Examples
    --------
    >>> check_run(Config())
    >>> check_run(Config(primary="bulk"))
    Traceback (most recent call last):
    cartarget.errors.ConfigError: primary: bulk, but no counted atlas has a reader of bulk samples (rsem_counts, ...
    """
    _look(input_paths(config))
    place_of(config)
    for atlas in config.used_atlases:
        _check_role(atlas)
    own = ASSAYS[config.primary] if config.primary == "bulk" else (*ASSAYS[config.primary], "simulated")
    if not any(atlas.role == "counted" and atlas.reader in own for atlas in config.used_atlases):
        what, other = ("bulk samples", "single_cell") if config.primary == "bulk" else ("cells", "bulk")
        raise ConfigError(
            f"primary: {config.primary}, but no counted atlas has a reader of {what} ({', '.join(own)}); "
            f"add one with the tumour, or set primary: {other}"
        )


def _check_role(atlas: AtlasConfig) -> None:
    if atlas.reader in READERS_OF[atlas.role]:
        return
    fits = " or ".join(role for role, readers in READERS_OF.items() if atlas.reader in readers)
    raise ConfigError(
        f"atlases.{atlas.name}.role: {atlas.role!r} does not fit reader {atlas.reader!r}; "
        f"give role: {fits}, or a reader of {', '.join(READERS_OF[atlas.role])}"
    )


def _look(paths: Iterable[str]) -> None:
    for path in paths:
        if not Path(path).exists():
            raise InputError(
                f"{path}: no such file; check `data_dir` and the path in the configuration, or fetch a public file "
                "with `cartarget atlas fetch CONFIG`"
            )
