"""UBERON and the Cell Ontology (`.obo`): what an unknown name is called there, and of what it is a part or a kind.

[Term]
id: UBERON:0008971
name: left colon
synonym: "left-sided colon" EXACT []
is_a: UBERON:0000168 ! …
relationship: part_of UBERON:0001155 ! colon
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from cartarget.atlas.formats.stream import lines
from cartarget.errors import InputError

FILES = ("resources/downloads/uberon/basic.obo", "resources/downloads/cell_ontology/cl-basic.obo")
"""Where `cartarget atlas fetch uberon cell_ontology` keeps them."""


@dataclass(frozen=True)
class Ontology:
    """Terms: the id of each name (in lower case; exact synonyms too), the name and the parents of each id."""

    ids: dict[str, str]
    names: dict[str, str]
    parents: dict[str, tuple[str, ...]]

    def above(self, name: str) -> Iterator[tuple[str, str]]:
        """The term of a name (or id), then all of which it is a kind or a part, nearest first: ids and names.

        Examples
        --------
        >>> tree = Ontology({"left colon": "U:2"}, {"U:1": "colon", "U:2": "left colon"}, {"U:2": ("U:1",)})
        >>> list(tree.above("Left colon"))
        [('U:2', 'left colon'), ('U:1', 'colon')]
        """
        start = name if name in self.names else self.ids.get(" ".join(name.lower().split()), "")
        ahead, seen = deque([start] if start else []), {start}
        while ahead:
            term = ahead.popleft()
            yield term, self.names.get(term, term)
            fresh = [parent for parent in self.parents.get(term, ()) if parent not in seen]
            seen.update(fresh)
            ahead.extend(fresh)


def read_obo(path: str | os.PathLike[str]) -> Ontology:
    """Read an ontology; obsolete terms are passed over.

    Raises
    ------
    InputError
        The file cannot be read, or holds no term.
    """
    ids: dict[str, str] = {}
    names: dict[str, str] = {}
    parents: dict[str, tuple[str, ...]] = {}
    for term in _terms(path):
        own = dict(term)
        if own.get("is_obsolete") == "true" or "id" not in own or "name" not in own:
            continue
        key = own["id"]
        names[key] = own["name"]
        ids[own["name"].lower()] = key
        exact = (re.match(r'"(.+)" EXACT', value) for tag, value in term if tag == "synonym")
        for found in exact:
            if found:
                ids.setdefault(found[1].lower(), key)
        related = (value.removeprefix("part_of ") for tag, value in term if _is_parent(tag, value))
        parents[key] = tuple(value.split()[0] for value in related if value)
    if not names:
        raise InputError(f"{path}: no [Term] with id and name; expected an ontology in OBO format")
    return Ontology(ids, names, parents)


def _is_parent(tag: str, value: str) -> bool:
    return tag == "is_a" or (tag == "relationship" and value.startswith("part_of "))


def _terms(path: str | os.PathLike[str]) -> Iterator[list[tuple[str, str]]]:
    """The tags and values of each `[Term]`."""
    term: list[tuple[str, str]] | None = None
    for _, line in lines(path):
        text = line.decode("utf-8", errors="replace").strip()
        if text.startswith("["):
            if term:
                yield term
            term = [] if text == "[Term]" else None
        elif term is not None:
            tag, _, value = text.partition(": ")
            term.append((tag, value))
    if term:
        yield term
