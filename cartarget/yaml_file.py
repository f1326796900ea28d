"""A YAML file as plain data, in which no key stands twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from cartarget.errors import ConfigError


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """Read a YAML file.

    Returns
    -------
    Plain data; None for an empty file.

    Raises
    ------
    ConfigError
        The file is absent or not YAML, or a key stands twice in one place, of which YAML would keep the last.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "run.yaml"
    >>> _ = file.write_text("top: 5\\nname: x\\ntop: 6")
    >>> read_yaml(file)
    Traceback (most recent call last):
    cartarget.errors.ConfigError: ...run.yaml, line 3: the key 'top' stands on line 1 too; delete one of the two
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); give a YAML file, such as config/config.yaml") from error
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        for key, first in _repeated(root) if root else ():
            raise ConfigError(
                f"{path}, line {key.start_mark.line + 1}: the key {key.value!r} stands on line "
                f"{first.start_mark.line + 1} too; delete one of the two"
            )
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error


def _repeated(root: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Keys that stand twice in one mapping, each with the first of its name."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
            continue
        first: dict[tuple[str, str], yaml.Node] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and first.setdefault((key.tag, key.value), key) is not key:
                yield key, first[key.tag, key.value]
            waiting.append(value)
