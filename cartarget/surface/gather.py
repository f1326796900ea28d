"""Everything that is known about a gene and the membrane, side by side: one row per gene, before any judgement."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cartarget.surface.protein import LEAST_OUTSIDE
from cartarget.surface.topology import parse_topology

TOPOLOGIES = ("outside", "open", "short", "lumen", "no anchor", "not found", "unknown")
"""What may be known of the part outside: long enough; of unknown length after the last span; shorter than
`LEAST_OUTSIDE`; in an organelle; nothing holds the protein on the outer face; no span or anchor in the tables of
membrane proteins that were given; nothing."""

_ANNOTATED = ("uniprot", "go")
_PREDICTED = "surfy"
_IMAGED = "hpa"
_CAPTURED = "cspa"


def gather(
    symbols: Sequence[str],
    *,
    votes: pd.DataFrame | None = None,
    topology: pd.DataFrame | None = None,
    helices: pd.DataFrame | None = None,
    uniprot: pd.DataFrame | None = None,
    surfy: pd.DataFrame | None = None,
    hpa: pd.DataFrame | None = None,
    cspa: pd.DataFrame | None = None,
    experiment: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Bring the sources of surface evidence together; each is optional, and what is not given is unknown.

    Sources that lean on each other are one: UniProt and GO share their curators, so a vote or a location of either
    counts once (`annotation`); SURFY is a prediction (`prediction`), HPA an image (`imaging`), CSPA a capture.
    Votes of other names, as of a user's own table, count together (`other`), at most once.

    Parameters
    ----------
    symbols
        HGNC symbols.
    votes
        Genes × sources, boolean (`votes.read_votes`).
    topology
        SURFY's strings (`topology.read_topology`).
    helices
        Membrane spans (`sources.read_helices`).
    uniprot
        Topology and location from records (`uniprot.uniprot_table`): stands before the three others.
    surfy
        SURFY's confidence and its copy of UniProt locations (`sources.read_surfy`); `uniprot` stands before the copy.
    hpa, cspa, experiment
        `sources.read_hpa_locations`, `sources.read_cspa`, `sources.experiments`.

    Returns
    -------
    DataFrame
        Index `symbol`, in the order given. Weights in [0, 1], missing where unknown: `annotation`,
        `against_annotation`, `imaging`, `against_imaging`, `prediction`, `capture`, `other`. Topology: `topology` (one
        of `TOPOLOGIES`), `topology_source`, `n_residues_outside` (longest stretch). Words: `annotation_where`,
        `imaging_where`, `is_predicted_secreted`, `experiment`, `experiment_source`.

    Examples
    --------
    >>> votes = pd.DataFrame({"uniprot": [True], "go": [True], "hpa": [False]}, index=["AURKA"])
    >>> float(gather(["AURKA"], votes=votes).loc["AURKA", "annotation"])
    1.0
    """
    names = pd.Index(list(symbols), name="symbol")
    table = pd.DataFrame(index=names)
    table = table.join(_annotation(names, votes=votes, uniprot=uniprot, surfy=surfy))
    table = table.join(_imaging(names, votes=votes, hpa=hpa))
    table["prediction"] = _prediction(names, votes=votes, surfy=surfy)
    table["capture"] = _capture(names, votes=votes, cspa=cspa)
    table["other"] = _others(names, votes)
    table = table.join(_topology(names, votes=votes, topology=topology, helices=helices, uniprot=uniprot))
    table["topology"] = table["topology"].mask(_is_inside(table), "lumen")
    told = experiment.reindex(names) if experiment is not None else pd.DataFrame(index=names)
    for column in ("experiment", "experiment_source"):
        table[column] = told[column].fillna("") if column in told else ""
    return table


def _vote(names: pd.Index, votes: pd.DataFrame | None, sources: Sequence[str]) -> pd.Series:
    """1 where any of the sources votes, 0 where none does, missing where no such source was given."""
    held = [] if votes is None else [source for source in sources if source in votes]
    if votes is None or not held:
        return pd.Series(float("nan"), index=names)
    return votes[held].any(axis=1).astype(float).reindex(names)


def _others(names: pd.Index, votes: pd.DataFrame | None) -> pd.Series:
    known = {*_ANNOTATED, _PREDICTED, _IMAGED, _CAPTURED}
    return _vote(names, votes, [] if votes is None else [str(name) for name in votes if name not in known])


def _column(names: pd.Index, frame: pd.DataFrame | None, column: str, empty: object) -> pd.Series:
    if frame is None or column not in frame:
        return pd.Series(empty, index=names)
    return frame[column].reindex(names)


def _annotation(
    names: pd.Index, *, votes: pd.DataFrame | None, uniprot: pd.DataFrame | None, surfy: pd.DataFrame | None
) -> pd.DataFrame:
    """UniProt and GO once: their locations where records were given, else SURFY's copy of them and the votes."""
    nan = float("nan")
    stated = {
        key: _column(names, uniprot, key, nan)
        for key in ("uniprot_surface", "uniprot_elsewhere", "go_surface", "go_elsewhere")
    }
    copy_for = stated["uniprot_surface"].fillna(_column(names, surfy, "uniprot_surface", nan))
    copy_against = stated["uniprot_elsewhere"].fillna(_column(names, surfy, "uniprot_elsewhere", nan))
    voted = _vote(names, votes, _ANNOTATED).where(stated["uniprot_surface"].isna())
    surface = pd.concat([copy_for, stated["go_surface"], voted], axis=1).max(axis=1)
    against = pd.concat([copy_against, stated["go_elsewhere"]], axis=1).max(axis=1)
    where = _column(names, uniprot, "uniprot_where", None).fillna(_column(names, surfy, "uniprot_where", None))
    return pd.DataFrame(
        {
            "annotation": surface,
            "against_annotation": against * (1 - copy_for.fillna(0.0)),
            "annotation_where": where.fillna(""),
        }
    )


def _imaging(names: pd.Index, *, votes: pd.DataFrame | None, hpa: pd.DataFrame | None) -> pd.DataFrame:
    nan = float("nan")
    surface = _column(names, hpa, "hpa_surface", nan)
    if hpa is None:
        surface = _vote(names, votes, (_IMAGED,)).replace(0.0, nan)
    elsewhere = _column(names, hpa, "hpa_elsewhere", nan)
    return pd.DataFrame(
        {
            "imaging": surface,
            "against_imaging": elsewhere * (1 - surface.fillna(0.0)),
            "imaging_where": _column(names, hpa, "hpa_where", "").fillna(""),
            "is_predicted_secreted": _column(names, hpa, "is_predicted_secreted", False).eq(True),
        }
    )


def _prediction(names: pd.Index, *, votes: pd.DataFrame | None, surfy: pd.DataFrame | None) -> pd.Series:
    """SURFY's confidence; where its table does not hold the gene, its vote."""
    voted = _vote(names, votes, (_PREDICTED,))
    return voted if surfy is None else surfy["prediction"].reindex(names).fillna(voted).fillna(0.0)


def _capture(names: pd.Index, *, votes: pd.DataFrame | None, cspa: pd.DataFrame | None) -> pd.Series:
    if cspa is None:
        return _vote(names, votes, (_CAPTURED,))
    return cspa["capture"].reindex(names).fillna(0.0)


def _topology(
    names: pd.Index,
    *,
    votes: pd.DataFrame | None,
    topology: pd.DataFrame | None,
    helices: pd.DataFrame | None,
    uniprot: pd.DataFrame | None,
) -> pd.DataFrame:
    """What sticks out, by the first source that knows: UniProt records, SURFY, spans; else `not found`, if sought.

    SURFY calls the far side of every membrane non-cytosolic: spans whose far side is a lumen stand before it, and
    where a source names an organelle and none the plasma membrane, its stretch is not taken for outside (`_is_inside`).
    """
    is_predicted = _vote(names, votes, (_PREDICTED,)).fillna(1.0).gt(0)
    strings = None if topology is None else topology.set_index("symbol")
    spans = _from_helices(names, helices)
    found = [
        _from_uniprot(names, uniprot),
        spans[spans["topology"].eq("lumen")].reindex(names),
        _from_surfy(names, strings, is_predicted=is_predicted),
        spans,
    ]
    result = pd.DataFrame(
        {
            "topology": pd.Series(None, index=names, dtype=object),
            "topology_source": pd.Series("", index=names, dtype=object),
            "n_residues_outside": pd.Series(pd.NA, index=names, dtype="Int64"),
        }
    )
    for each in found:
        fresh = result["topology"].isna() & each["topology"].notna()
        result.loc[fresh] = each.loc[fresh]
    is_listed = pd.Series(False, index=names)
    for frame in (votes, uniprot):
        if frame is not None:
            is_listed |= names.isin(frame.index)
    was_sought = (topology is not None) and is_listed
    missing = result["topology"].isna()
    result.loc[missing, "topology"] = "unknown"
    result.loc[missing & was_sought, "topology"] = "not found"
    return result


_ORGANELLES = "endoplasmic reticulum|Golgi apparatus|vesicle|mitochondrion|nucleus"


def _is_inside(table: pd.DataFrame) -> pd.Series:
    """Whether SURFY's non-cytosolic stretch lies in an organelle: one is named, and the plasma membrane by nobody."""
    is_claimed = table["topology"].eq("outside") & table["topology_source"].eq("SURFY")
    is_absent = table[["annotation", "imaging", "other"]].fillna(0.0).eq(0.0).all(axis=1)
    is_elsewhere = pd.Series(False, index=table.index)
    for part in ("annotation", "imaging"):
        is_named = table[f"{part}_where"].str.contains(_ORGANELLES)
        is_elsewhere |= is_named & table[f"against_{part}"].fillna(0.0).ge(0.5)
    return is_claimed & is_absent & is_elsewhere


def _named(topology: pd.Series, source: str, residues: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "topology": topology.astype(object),
            "topology_source": pd.Series(source, index=topology.index, dtype=object),
            "n_residues_outside": residues.astype("Int64"),
        }
    )


def _by_length(residues: pd.Series) -> pd.Series:
    known = residues.notna()
    level = pd.Series(None, index=residues.index, dtype=object)
    is_long = residues.fillna(0).ge(LEAST_OUTSIDE)
    level[known & is_long] = "outside"
    level[known & ~is_long] = "short"
    return level


def _from_uniprot(names: pd.Index, uniprot: pd.DataFrame | None) -> pd.DataFrame:
    residues = _column(names, uniprot, "n_residues_outside", pd.NA).astype("Int64")
    level = _by_length(residues)
    if uniprot is not None:
        form = _column(names, uniprot, "membrane_class", None)
        is_zero = residues.eq(0).fillna(False)
        level[is_zero & form.isin(["none", "peripheral", "lipid anchor"])] = "no anchor"
        level[is_zero & form.isin(["type I", "type II", "type III", "type IV", "multi-pass", "GPI"])] = "lumen"
        has_domain = _column(names, uniprot, "domains_outside", "").fillna("").ne("")
        level[has_domain & level.eq("short")] = "outside"
    return _named(level, "UniProt", residues)


def _from_surfy(names: pd.Index, topology: pd.DataFrame | None, *, is_predicted: pd.Series) -> pd.DataFrame:
    """A string without a span is a GPI-anchored protein if SURFY calls it surface, else a secreted one."""
    residues = _column(names, topology, "n_residues_outside", pd.NA).astype("Int64")
    level = _by_length(residues)
    if topology is not None:
        text = topology["topology"].reindex(names).fillna("")
        has_span = pd.Series(["transmembrane" in {part.type for part in parse_topology(each)} for each in text], names)
        level[text.ne("") & ~has_span & ~is_predicted] = "no anchor"
    return _named(level, "SURFY", residues)


def _from_helices(names: pd.Index, helices: pd.DataFrame | None) -> pd.DataFrame:
    residues = _column(names, helices, "n_residues_outside", pd.NA).astype("Int64")
    level = _by_length(residues)
    if helices is not None:
        level[_column(names, helices, "is_lumen", False).eq(True)] = "lumen"
        is_open = names.isin(helices.index) & residues.isna()
        level[is_open & level.isna()] = "open"
    return _named(level, "spans", residues)
