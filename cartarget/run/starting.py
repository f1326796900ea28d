"""How a project starts: the files that a user edits, copied into a folder of their own."""

from __future__ import annotations

import os
from pathlib import Path

from cartarget.config_text import default_config
from cartarget.errors import InputError
from cartarget.files import shared_folder, whole

CONFIG = "config/config.yaml"
TABLES = (
    "config/atlases.tsv", "config/tissue_tiers.tsv", "resources/indications.tsv", "resources/controls.tsv",
    "resources/surface_rescue.tsv",
)  # fmt: skip
"""Tables that a user may want to change: sample sheet, tiers, indications, controls, antigens kept regardless."""


def start_project(folder: str | os.PathLike[str]) -> list[Path]:
    """Write a configuration with comments, and copies of the tables to edit, into a folder.

    Parameters
    ----------
    folder
        The folder; made where it is not there.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        One of the files is there already; nothing is written.

    Examples
    --------
    >>> import tempfile
    >>> [path.name for path in start_project(tempfile.mkdtemp())][:2]
    ['config.yaml', 'atlases.tsv']
    """
    folder, own = Path(folder), shared_folder()
    for name in (CONFIG, *TABLES):
        if (folder / name).exists():
            raise InputError(f"{folder / name}: is there already; name another folder, or move the file away")
    texts = {CONFIG: default_config()} | {name: (own / name).read_text(encoding="utf-8") for name in TABLES}
    for name, text in texts.items():
        with whole(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [folder / name for name in texts]
