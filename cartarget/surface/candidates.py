"""Which genes may be antigens: the sources that a run names are read, and every gene is judged by them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from cartarget.errors import InputError
from cartarget.genes import GeneTable, resolve
from cartarget.surface.gather import gather
from cartarget.surface.grade import CUT, grade
from cartarget.surface.sources import (
    experiments,
    read_accessions,
    read_cspa,
    read_helices,
    read_hpa_locations,
    read_surfy,
)
from cartarget.surface.topology import read_topology
from cartarget.surface.uniprot import uniprot_table
from cartarget.surface.votes import read_votes

INSTALLED = "pirlygenes"
"""Package on PyPI (Apache-2.0) whose table of surface proteins serves where a run names none."""

PathLike = str | os.PathLike[str]


def installed_surfaceome() -> Path:
    """Where the table of surface proteins of the package `pirlygenes` lies.

    Raises
    ------
    InputError
        The package is not installed.
    """
    spec = find_spec(INSTALLED)
    path = Path(spec.origin).parent / "data" / "surface-proteins.csv" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise InputError(
            "surface.votes: no table is named, and the package pirlygenes, whose table of surface proteins would "
            "serve, is not installed; run `pip install --no-deps pirlygenes` (nothing else of it is used), name a "
            "table, or write `every_gene: true` under surface if every gene of your atlases may be an antigen"
        )
    return path


def read_surfaceome(path: PathLike, *, genes: GeneTable | None = None) -> pd.DataFrame:
    """Read the table of surface proteins of the package `pirlygenes` as votes.

    It holds the proteins that SURFY calls surface (doi:10.1073/pnas.1808790115) and says which of them were captured
    (`CSPA_validated`).

    Parameters
    ----------
    path
        Comma-separated: `Symbol`, `Ensembl_Gene_ID`, `Category`.
    genes
        Gene table. None: names are taken as given.

    Returns
    -------
    DataFrame
        Genes (index `symbol`) × `surfy` and `cspa`, boolean.

    Raises
    ------
    InputError
        The file cannot be read, or a column is missing.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "surface.csv"
    >>> _ = file.write_text("Symbol,Ensembl_Gene_ID,Category\\nMET,ENSG00000105976,CSPA_validated\\n")
    >>> read_surfaceome(file).loc["MET"].to_dict()
    {'surfy': True, 'cspa': True}
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: cannot be read ({error}); install pirlygenes again") from error
    for column in ("Symbol", "Ensembl_Gene_ID", "Category"):
        if column not in frame:
            raise InputError(f"{path}: column {column!r} is missing; install another version of pirlygenes")
    symbol = resolve(frame["Symbol"], table=genes, ids=frame["Ensembl_Gene_ID"])["symbol"].set_axis(frame.index)
    votes = pd.DataFrame({"symbol": symbol, "surfy": True, "cspa": frame["Category"].eq("CSPA_validated")})
    return votes.dropna(subset=["symbol"]).groupby("symbol")[["surfy", "cspa"]].any()


def read_sources(
    *,
    votes: PathLike | None = None,
    topology: PathLike | None = None,
    spans: PathLike | None = None,
    locations: PathLike | None = None,
    captured: PathLike | None = None,
    uniprot: PathLike | None = None,
    rescue: pd.DataFrame | None = None,
    clinic: pd.DataFrame | None = None,
    genes: GeneTable | None = None,
) -> dict[str, pd.DataFrame]:
    """Read the sources of surface evidence that are given, as the arguments of `gather.gather`.

    Parameters
    ----------
    votes
        Table of votes (`votes.read_votes`). None, and no UniProt records either: `installed_surfaceome`.
    topology
        SURFY's table: what sticks out (`topology.read_topology`) and how sure it is (`sources.read_surfy`).
    spans
        Membrane spans (`sources.read_helices`); needs a table of votes with accessions.
    locations, captured, uniprot
        Locations of the Human Protein Atlas, the Cell Surface Protein Atlas, UniProt records.
    rescue, clinic
        As for `sources.experiments`.
    genes
        Gene table. None: names are taken as given.

    Raises
    ------
    InputError
        A file cannot be read or has another form; spans are given without votes; or nothing is given and no surfaceome
        is installed.

    Examples
    --------
    >>> read_sources(votes="absent.tsv")
    Traceback (most recent call last):
    cartarget.errors.InputError: absent.tsv: cannot be read ...
    """
    found: dict[str, pd.DataFrame] = {"experiment": experiments(rescue=rescue, clinic=clinic)}
    if votes is not None:
        found["votes"] = read_votes(votes)
    elif uniprot is None:
        found["votes"] = read_surfaceome(installed_surfaceome(), genes=genes)
    if topology is not None:
        found |= {"topology": read_topology(topology, genes=genes), "surfy": read_surfy(topology, genes=genes)}
    if spans is not None:
        if votes is None:
            raise InputError("surface.spans: needs surface.votes, whose accessions name the genes; give both")
        found["helices"] = read_helices(spans, accession=read_accessions(votes))
    if locations is not None:
        found["hpa"] = read_hpa_locations(locations, genes=genes)
    if captured is not None:
        found["cspa"] = read_cspa(captured, genes=genes)
    if uniprot is not None:
        found["uniprot"] = uniprot_table(uniprot, genes=genes)
    return found


def candidates(
    symbols: Sequence[str] | None = None, *, sources: Mapping[str, pd.DataFrame] | None, min_score: float = CUT
) -> pd.DataFrame:
    """Judge the surface evidence of genes and say which may be antigens.

    Parameters
    ----------
    symbols
        HGNC symbols. None: every gene that a source names.
    sources
        Surface evidence (`read_sources`). None: there is none; every gene is `unknown`, and a candidate.
    min_score
        Surface score (log odds) from which a gene is a candidate (`grade.grade`).

    Returns
    -------
    DataFrame
        One row per symbol, in the order given: `symbol`, `n_votes` (missing where no table of votes holds it),
        `surface_sources` (who votes, comma-separated), `surface_score`, `surface_status` (one of `grade.STATUSES`),
        `surface_reason` (why, in words), `n_residues_outside` (longest stretch; missing where unknown) and
        `is_candidate`.

    Examples
    --------
    >>> votes = pd.DataFrame({"surfy": [True, False], "go": [True, True]}, index=["CEACAM5", "AURKA"])
    >>> found = candidates(["CEACAM5", "AURKA", "NEW"], sources={"votes": votes})
    >>> found["surface_status"].tolist(), found["is_candidate"].tolist()
    (['surface', 'not surface', 'unknown'], [True, False, False])
    """
    if symbols is None:
        held = (frame.index for name, frame in (sources or {}).items() if name in ("votes", "uniprot", "experiment"))
        symbols = sorted(set().union(*held))
    names = pd.Index(list(symbols), name="symbol")
    if sources is None:
        return _unknown(names)
    judged = grade(gather(names, **sources), cut=min_score)
    shown = ["surface_score", "surface_status", "surface_reason", "n_residues_outside", "is_candidate"]
    table = judged[shown].assign(surface_score=judged["surface_score"].mask(judged["surface_status"].eq("unknown")))
    votes = sources.get("votes", pd.DataFrame(index=pd.Index([], name="symbol"))).reindex(names)
    told = votes.eq(True)
    table.insert(0, "n_votes", told.sum(axis=1).astype("Int64").where(votes.notna().any(axis=1)))
    table.insert(1, "surface_sources", [", ".join(told.columns[row]) for row in told.to_numpy(dtype=bool)])
    return table.reset_index()


def _unknown(names: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "symbol": names,
            "n_votes": pd.array([pd.NA] * len(names), dtype="Int64"),
            "surface_sources": "",
            "surface_score": float("nan"),
            "surface_status": "unknown",
            "surface_reason": "no surface evidence was given",
            "n_residues_outside": pd.array([pd.NA] * len(names), dtype="Int64"),
            "is_candidate": True,
        }
    )
