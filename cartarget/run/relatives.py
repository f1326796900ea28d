"""What is alike an antigen: proteins that a binder may hit too, orthologues of animals; and whether cells need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from tqdm import tqdm

from cartarget.config import Config
from cartarget.genes import read_gene_table
from cartarget.surface.animals import orthologue_identity, read_animal_proteins
from cartarget.surface.homology import build_surfaceome, cross_reaction, find_twins
from cartarget.surface.orthologs import read_essentiality, read_orthologs

FIRST = 200
"""Ranked antigens whose twins are looked for."""

ALIGNED = 20
"""Proteins that each of them is aligned with."""

UNKNOWN = "unknown"
"""What an antigen's orthologue is where no table holds it."""


def with_relatives(table: pd.DataFrame, config: Config, *, outside: Mapping[str, str]) -> pd.DataFrame:
    """Add twins, orthologues and essentiality to ranked antigens, from the tables that the run names.

    Parameters
    ----------
    table
        Ranked antigens.
    config
        Names the tables (`surface.mouse`, `surface.cynomolgus`, `surface.essentiality`) and proteins of the animals.
    outside
        Symbol → the part outside the cell, of every protein whose record tells it. Empty: no twins and no identity.
    """
    named = config.surface.relatives
    genes = read_gene_table(config.data(config.genes.table)) if config.genes.table and named else None
    symbols = table["symbol"].tolist()
    known = {
        animal: read_orthologs(config.data(path), genes=genes).to_dict("index")
        for animal, path in named.items()
        if animal != "essentiality"
    }
    ranked = table.loc[table["rank"].notna(), "symbol"].head(FIRST) if outside else []
    compared = {symbol: outside[symbol] for symbol in ranked if symbol in outside}
    identity = _identities(config, symbols, known, compared)
    if known or identity:
        table = table.assign(orthologue=_orthologues(known, symbols, identity))
        table = table.assign(**{f"{animal}_identity": shares for animal, shares in identity.items()})
    if "essentiality" in named:
        found = read_essentiality(config.data(named["essentiality"]), genes=genes)
        table = table.assign(skewed_lrt=found["skewed_lrt"].reindex(symbols).array)
    if outside:
        first = table.loc[table["rank"].notna(), "symbol"].head(FIRST)
        found = twins_of(first.tolist(), outside=outside, exposure=table.set_index("symbol"))
        table = table.assign(**{str(name): table["symbol"].map(told) for name, told in found.items()})
    return table


Orthologs = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Animal → human gene → its row of the table of orthologues."""


def _identities(
    config: Config, symbols: Sequence[str], known: Orthologs, outside: Mapping[str, str]
) -> dict[str, list[float]]:
    """For each animal whose proteins are given, how much of each antigen's outside part is alike; NaN: unknown.

    Without a table of orthologues the animal's gene of the same name is taken.
    """
    found = {}
    for animal, path in config.surface.proteins.items():
        proteins, rows = read_animal_proteins(config.data(path)), known.get(animal)
        names = {symbol: [symbol] if rows is None else _named(rows.get(symbol)) for symbol in symbols}
        found[animal] = [
            orthologue_identity(outside[symbol], names[symbol], proteins) if symbol in outside else float("nan")
            for symbol in symbols
        ]
    return found


def _named(row: Mapping[str, Any] | None) -> list[str]:
    return [name for name in str(row["orthologs"]).split(", ") if name] if row else []


def _orthologues(known: Orthologs, symbols: Sequence[str], identity: Mapping[str, Sequence[float]]) -> list[str]:
    """Each antigen's orthologues in words: `mouse: Epcam (one to one), 82% identical outside; cynomolgus: none`."""
    told: dict[str, list[str]] = {symbol: [] for symbol in symbols}
    for animal in dict.fromkeys([*known, *identity]):
        shares = identity.get(animal, [float("nan")] * len(symbols))
        for symbol, share in zip(symbols, shares, strict=True):
            row = known.get(animal, {}).get(symbol)
            known_as = "none" if row is None or not row["orthologs"] else f"{row['orthologs']} ({row['kind']})"
            words = UNKNOWN if row is None else known_as
            alike = "" if pd.isna(share) else f", {share:.0%} identical outside"
            told[symbol].append(f"{animal}: {words}{alike}")
    return ["; ".join(words) for words in told.values()]


def twins_of(symbols: Sequence[str], *, outside: Mapping[str, str], exposure: pd.DataFrame) -> pd.DataFrame:
    """The twins of antigens outside the cell, and what a binder that hits them too would do.

    Parameters
    ----------
    symbols
        Antigens.
    outside
        Symbol → the part outside the cell.
    exposure
        Index symbol: `safety_class` and `liability_population` of the antigens of the run.

    Returns
    -------
    DataFrame
        Index symbol: `twins` (`CEACAM6 0.82, CEACAM8 0.70`: identity; `none`; relatives that were not aligned are
        named) and `twins_exposure` (`CEACAM6 over cap in lung, CEACAM8 unknown`: those that the run did not score are
        unknown). An antigen whose outside part is not known is missing.

    Examples
    --------
    >>> parts = {"A": "MKTAYIAKQRQISFVK", "B": "MKTAYIAKQRQLSFVK", "C": "GGSGGSGGSGGSGG"}
    >>> scored = pd.DataFrame({"safety_class": ["over cap"], "liability_population": ["lung"]}, index=["B"])
    >>> twins_of(["A", "C", "D"], outside=parts, exposure=scored).to_dict("list")
    {'twins': ['B 0.94', 'none'], 'twins_exposure': ['B over cap in lung', None]}
    """
    surfaceome = build_surfaceome(outside)
    known = [symbol for symbol in symbols if symbol in outside]
    rows = []
    for symbol in tqdm(known, desc="twins", unit="antigen", disable=None, leave=False):
        found = find_twins(symbol, surfaceome=surfaceome, n_best=ALIGNED)
        twins = found[found["is_twin"].fillna(False).astype(bool)]
        told = _told(twins["identity"], too_long=list(found.index[found["is_twin"].isna()]))
        hit = cross_reaction(twins, exposure=exposure, columns=["safety_class", "liability_population"])
        rows.append((told, ", ".join(_exposed(str(name), row) for name, row in hit.iterrows()) or None))
    return pd.DataFrame(rows, index=pd.Index(known, name="symbol"), columns=["twins", "twins_exposure"], dtype=object)


def _told(identity: pd.Series, *, too_long: Sequence[str]) -> str:
    """Twins with their identity, and the relatives that were not aligned."""
    words = ", ".join(f"{name} {share:.2f}" for name, share in identity.items())
    if not too_long:
        return words or "none"
    more = f" and {len(too_long) - 3} more" if len(too_long) > 3 else ""
    return "; ".join(filter(None, [words, f"not compared, too long: {', '.join(too_long[:3])}{more}"]))


def _exposed(name: str, row: pd.Series) -> str:
    """A twin's own class and worst place, or that the run did not score it."""
    if pd.isna(row["safety_class"]):
        return f"{name} {UNKNOWN}"
    place = row["liability_population"]
    return f"{name} {row['safety_class']}" + ("" if pd.isna(place) or not place else f" in {place}")
