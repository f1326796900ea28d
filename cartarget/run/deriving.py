"""Derived antigens in a run: which the tumour's atlas can show, and what is said of each beside its scores."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pandas as pd

from cartarget.errors import InputError
from cartarget.genes import GeneTable
from cartarget.logic.gate import Gate
from cartarget.surface.derived import DerivedAntigen, over_genes, read_derived

STATUS = "derived"
"""Surface status of a derived antigen: it stands for something on the surface, and its genes need not be there."""


@dataclass(frozen=True)
class Derived:
    """The derived antigens of a run, in the order of `path`: `antigens` as defined, and `expressions` over genes."""

    path: str
    antigens: Mapping[str, DerivedAntigen]
    expressions: Mapping[str, Gate]

    @property
    def genes(self) -> set[str]:
        """The genes that they need."""
        return {gene for gate in self.expressions.values() for gene in gate.antigens}

    def held(self, genes: Collection[str]) -> list[str]:
        """Those of which every gene is there."""
        return [name for name, gate in self.expressions.items() if set(gate.antigens) <= set(genes)]

    def refuse_genes(self, symbols: Collection[str], *, where: str) -> None:
        """Refuse a name that is also a gene's symbol.

        Raises
        ------
        InputError
            A derived antigen has the name of a gene.
        """
        for name in self.expressions:
            if name in symbols:
                raise InputError(
                    f"{self.path}: derived antigen {name!r} ({self.expressions[name]}) has the name of a gene: {where} "
                    f"holds the gene {name!r}; give the derived antigen another name"
                )

    def _reason(self, name: str, lacking: list[str], same: str | None) -> str:
        """Why it is a candidate, or none."""
        if lacking:
            return f"not every tumour measures {', '.join(lacking)}, of which it is derived"
        if same is not None:
            return f"scored alone: {same}, read from the same genes, stands in gates"
        return f"stands for {self.antigens[name].stands_for}"

    def table(self, surface: pd.DataFrame, *, measured: Collection[str], told: Collection[str] = ()) -> pd.DataFrame:
        """Surface evidence of genes, with a row for each derived antigen behind.

        Parameters
        ----------
        surface
            `cartarget.candidates`: one row a gene of the tumour's atlas.
        measured
            Genes that all its tumours measured.
        told
            Antigens that its transcripts told apart from their gene: no proxies, and read from nothing else.

        Returns
        -------
        DataFrame
            `surface` with the columns `derived` (the expression; empty for genes) and `proxy_note`. An antigen of which
            the tumours measured every gene is a candidate, unless a candidate gene or an earlier derived one is read
            from the very same: then it is scored alone, and the other stands in gates.
        """
        in_gates = {symbol: symbol for symbol in surface.loc[surface["is_candidate"], "symbol"]}
        rows = []
        for name, gate in self.expressions.items():
            lacking = [gene for gene in gate.antigens if gene not in measured]
            same = in_gates.get(str(gate)) if not lacking and name not in told else None
            if not lacking and name not in told:
                in_gates.setdefault(str(gate), name)
            rows.append(
                {
                    "symbol": name,
                    "aliases": "",
                    "surface_sources": "",
                    "surface_status": STATUS,
                    "surface_reason": self._reason(name, lacking, same),
                    "is_candidate": not lacking and same is None,
                    "derived": str(gate),
                    "proxy_note": None if name in told else self.antigens[name].note,
                }
            )
        if not rows:
            return surface.assign(derived=None, proxy_note=None)
        added = pd.DataFrame(rows).reindex(columns=[*surface, "derived", "proxy_note"])
        added = added.astype({name: kind for name, kind in surface.dtypes.items() if name != "is_candidate"})
        return pd.concat([surface.assign(derived=None, proxy_note=None), added], ignore_index=True).astype(
            {"is_candidate": bool}
        )


def with_inherited_harm(events: pd.DataFrame, surface: pd.DataFrame) -> pd.DataFrame:
    """Harm on record, with what is known of a gene standing for each antigen derived from it too.

    Parameters
    ----------
    events
        `safety.toxicity.read_toxicity`: `symbol` and more.
    surface
        Surface evidence of a run: `symbol` and `derived` (`Derived.table`).

    Examples
    --------
    >>> surface = pd.DataFrame({"symbol": ["A", "D"], "derived": [None, "A & B"]})
    >>> with_inherited_harm(pd.DataFrame({"symbol": ["A"], "organ": ["lung"]}), surface).values.tolist()
    [['A', 'lung'], ['D', 'lung']]
    """
    derived = surface.dropna(subset="derived")
    named = [
        events[events["symbol"].isin(Gate.parse(text).antigens)].assign(symbol=name)
        for name, text in zip(derived["symbol"], derived["derived"], strict=True)
    ]
    return pd.concat([events, *named], ignore_index=True).drop_duplicates(ignore_index=True)


def read_run_derived(path: str, *, genes: GeneTable | None) -> Derived:
    """Read the derived antigens of a run.

    Raises
    ------
    InputError
        The table cannot be read or is malformed, an expression leads back to itself or holds a blocker, or a name is
        also a gene's symbol.

    Examples
    --------
    >>> read_run_derived("resources/derived_antigens.tsv", genes=None).held(["ST8SIA1"])
    ['GD3']
    """
    antigens = read_derived(path)
    found = Derived(path, antigens, over_genes(antigens))
    if genes is not None:
        found.refuse_genes(set(genes.symbols.index), where="the gene table")
    return found
