"""Readers of the tables that speak for or against the membrane: HPA, CSPA, SURFY, spans, and experiments."""

from __future__ import annotations

import io
import os
import re
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pandas as pd

from cartarget.atlas.formats.tables import opened
from cartarget.errors import InputError
from cartarget.genes import GeneTable, resolve
from cartarget.surface.locations import Location, stance_of_hpa, stance_of_locations


def read_hpa_locations(path: str | os.PathLike[str], *, genes: GeneTable | None = None) -> pd.DataFrame:
    """Read the Human Protein Atlas' subcellular locations.

    Parameters
    ----------
    path
        Tab-separated, plain or gzipped: `ensembl`, `gene`, `reliability`, `main_location`, `additional_location` and
        perhaps `extracellular_location`, or the same columns as the atlas heads them (`Gene`, `Gene name`, ...).
    genes
        Gene table. None: names are taken as given.

    Returns
    -------
    DataFrame
        Index `symbol`: `hpa_surface` and `hpa_elsewhere` (weights in [0, 1], see `locations.stance_of_hpa`),
        `hpa_where`, `hpa_reliability`, `is_predicted_secreted`.

    Raises
    ------
    InputError
        The file cannot be read, or a column is missing.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "hpa.tsv"
    >>> heads = "ensembl", "gene", "reliability", "main_location", "additional_location"
    >>> _ = file.write_text("\\t".join(heads) + "\\nE1\\tAURKA\\tApproved\\tCentrosome\\t\\n")
    >>> float(read_hpa_locations(file).loc["AURKA", "hpa_elsewhere"])
    0.5
    """
    names = {
        "Gene": "ensembl",
        "Gene name": "gene",
        "Reliability": "reliability",
        "Main location": "main_location",
        "Additional location": "additional_location",
        "Extracellular location": "extracellular_location",
    }
    frame = _read(path).rename(columns=names)
    _need(frame, ("gene", "reliability", "main_location", "additional_location"), path)
    ids = frame.get("ensembl")
    symbol = resolve(frame["gene"], table=genes, ids=ids)["symbol"].set_axis(frame.index)
    stances = [
        stance_of_hpa(main=main, additional=more, reliability=reliability)
        for main, more, reliability in zip(
            frame["main_location"], frame["additional_location"], frame["reliability"], strict=True
        )
    ]
    told = frame["extracellular_location"] if "extracellular_location" in frame else pd.Series("", index=frame.index)
    found = pd.DataFrame(
        {
            "symbol": symbol,
            "hpa_surface": [each.surface for each in stances],
            "hpa_elsewhere": [each.elsewhere for each in stances],
            "hpa_where": [", ".join(each.where) for each in stances],
            "hpa_reliability": frame["reliability"],
            "is_predicted_secreted": told.str.contains("secreted"),
        }
    )
    return _first(found)


CAPTURE = {"1": 1.0, "2": 0.5, "3": 0.0}
"""Category of the Cell Surface Protein Atlas (high confidence, putative, unspecific) → weight.
Source: Bausch-Fluck et al. 2015, doi:10.1371/journal.pone.0121314."""


def read_cspa(path: str | os.PathLike[str], *, genes: GeneTable | None = None) -> pd.DataFrame:
    """Read which proteins were captured on living human cells (Cell Surface Protein Atlas).

    Parameters
    ----------
    path
        Tab-separated, plain or gzipped: `CSPA category`, `ENTREZ gene symbol`, `ENTREZ_gene_ID`, perhaps `organism`.
    genes
        Gene table. None: names are taken as given.

    Returns
    -------
    DataFrame
        Index `symbol`: `capture`, a weight of `CAPTURE`; genes that were never captured are not in it.

    Raises
    ------
    InputError
        The file cannot be read, or a column is missing.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "cspa.tsv"
    >>> heads = "CSPA category\\tENTREZ gene symbol\\tENTREZ_gene_ID\\n"
    >>> _ = file.write_text(heads + "1 - high confidence\\tMET\\t4233.0\\n")
    >>> read_cspa(file)["capture"].to_dict()
    {'MET': 1.0}
    """
    frame = _read(path)
    _need(frame, ("CSPA category", "ENTREZ gene symbol", "ENTREZ_gene_ID"), path)
    if "organism" in frame:
        frame = frame[frame["organism"].str.lower().eq("human")]
    entrez = frame["ENTREZ_gene_ID"].str.replace(r"\.0$", "", regex=True)
    symbol = resolve(frame["ENTREZ gene symbol"], table=genes, entrez=entrez)["symbol"].set_axis(frame.index)
    weight = frame["CSPA category"].str.strip().str[:1].map(CAPTURE)
    wrong = frame.index[weight.isna()]
    if len(wrong):
        found = frame["CSPA category"][wrong[0]]
        raise InputError(f"{path}, line {int(wrong[0]) + 2}: category {found!r}; expected 1, 2 or 3 and its words")
    found = pd.DataFrame({"symbol": symbol, "capture": weight}).sort_values("capture", ascending=False, kind="stable")
    return _first(found)


_SURFY_NAMES = ("hgnc_symbol", "symbol", "UniProt gene")


CONFIDENCE = {"1": 1.0, "2": 0.5, "3": 0.25}
"""SURFY's class of false positives (1 %, 5 %, 15 %) → weight of its prediction; the training set and GPI-anchored
proteins, which are no prediction, weigh 1. Source: Bausch-Fluck et al. 2018, doi:10.1073/pnas.1808790115."""
_CONFIDENCE = "MachineLearning FPR class (1=1%, 2=5%, 3=15%)"


def read_surfy(path: str | os.PathLike[str], *, genes: GeneTable | None = None) -> pd.DataFrame:
    """Read how sure SURFY is, and the UniProt locations of 2018 that its table holds (without evidence codes).

    Parameters
    ----------
    path
        Tab-separated, plain or gzipped: `UniProt gene` (or `symbol`), and, each optional, `Surfaceome Label`, its
        source, the class of false positives, and `UniProt subcellular`.
    genes
        Gene table. None: names are taken as given.

    Returns
    -------
    DataFrame
        Index `symbol`: `prediction` (0 for what SURFY does not call surface, else a weight of `CONFIDENCE`; missing
        without `Surfaceome Label`), `uniprot_surface`, `uniprot_elsewhere` (missing where no location stands) and
        `uniprot_where`.

    Raises
    ------
    InputError
        The file cannot be read, or names no gene.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "surfy.tsv"
    >>> row = "MET\\tMembrane (Single-pass type I membrane protein);Secreted\\n"
    >>> _ = file.write_text("symbol\\tUniProt subcellular\\n" + row)
    >>> read_surfy(file).loc["MET", "uniprot_where"]
    'secreted'
    """
    frame = _read(path)
    named = next((name for name in _SURFY_NAMES if name in frame), None)
    if named is None:
        raise InputError(f"{path}: no column of genes; expected one of {', '.join(_SURFY_NAMES)}")
    ids = frame["Ensembl gene"].str.split(";").str[0] if "Ensembl gene" in frame else None
    symbol = resolve(frame[named], table=genes, ids=ids)["symbol"].set_axis(frame.index)
    texts = frame["UniProt subcellular"] if "UniProt subcellular" in frame else pd.Series("", index=frame.index)
    stances = [stance_of_locations(_surfy_locations(text)) for text in texts]
    is_stated = texts.str.strip().ne("")
    found = pd.DataFrame(
        {
            "symbol": symbol,
            "prediction": _confidence(frame),
            "uniprot_surface": pd.Series([each.surface for each in stances], index=frame.index).where(is_stated),
            "uniprot_elsewhere": pd.Series([each.elsewhere for each in stances], index=frame.index).where(is_stated),
            "uniprot_where": [", ".join(each.where) for each in stances],
        }
    )
    return _first(found.sort_values("prediction", ascending=False, kind="stable"))


def _confidence(frame: pd.DataFrame) -> pd.Series:
    weight = pd.Series(1.0, index=frame.index)
    if _CONFIDENCE in frame:
        graded = frame[_CONFIDENCE].str.strip().str[:1].map(CONFIDENCE).fillna(1.0)
        source = frame.get("Surfaceome Label Source", pd.Series("machine learning", index=frame.index))
        weight = graded.where(source.eq("machine learning"), 1.0)
    if "Surfaceome Label" not in frame:
        return pd.Series(float("nan"), index=frame.index)
    return weight.where(frame["Surfaceome Label"].eq("surface"), 0.0)


def _surfy_locations(text: str) -> list[Location]:
    parts = [re.match(r"^([^()|]*)(?:\((.*?)\)?)?$", part.strip()) for part in text.split(";")]
    return [Location(part[1].strip(), (part[2] or "").replace("|", "; ")) for part in parts if part and part[1].strip()]


_HELICES = ("UniProt ID", "TMH start position", "TMH end position", "N-terminal starting side", "Database source")
_PLACE = "N-terminal starting subcellular location"


def read_helices(path: str | os.PathLike[str], *, accession: pd.Series) -> pd.DataFrame:
    """Membrane spans with the side of their amino end, for proteins that SURFY leaves out.

    The stretch before a span that starts outside, and between a span that starts inside and the next, are outside. What
    follows the last span has an unknown length, since the table does not give the protein's; a signal peptide is not
    told apart from the stretch before the first span.

    Parameters
    ----------
    path
        Comma-separated: accession, first and last residue of a span, side of its amino end (`Inside`, `Outside`), data
        base, and the name of that side. Only rows of UniProt are read.
    accession
        Accession → symbol.

    Returns
    -------
    DataFrame
        Index `symbol`: `n_spans`, `n_residues_outside` (longest known stretch outside; missing where a longer one may
        follow the last span) and `is_lumen` (the far side is that of an organelle).

    Raises
    ------
    InputError
        The file cannot be read, or a column is missing.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "helices.csv"
    >>> heads = "UniProt ID, TMH start position, TMH end position, N-terminal starting side, Database source, "
    >>> heads += "N-terminal starting subcellular location"
    >>> _ = file.write_text(heads + "\\nQ16790, 415, 435, Outside, UniProt, Extracellular\\n")
    >>> int(read_helices(file, accession=pd.Series({"Q16790": "CA9"})).loc["CA9", "n_residues_outside"])
    414
    """
    try:
        frame = pd.read_csv(Path(path), skipinitialspace=True)
    except (OSError, EOFError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a comma-separated table of spans") from error
    _need(frame, (*_HELICES, _PLACE), path)
    frame = frame[frame["Database source"].eq("UniProt") & frame["N-terminal starting side"].notna()]
    symbol = frame["UniProt ID"].map(accession)
    frame = frame.assign(symbol=symbol).dropna(subset=["symbol"]).sort_values(["symbol", "TMH start position"])
    frame = frame.drop_duplicates(["symbol", "TMH start position"])
    spans = zip(*(frame[name] for name in ("symbol", *_HELICES[1:4], _PLACE)), strict=True)
    rows = [_spans(symbol, list(part)) for symbol, part in groupby(spans, key=itemgetter(0))]
    columns = ["symbol", "n_spans", "n_residues_outside", "is_lumen"]
    found = pd.DataFrame(rows, columns=columns).astype({"n_residues_outside": "Int64"})
    return found.set_index("symbol")


def _spans(symbol: str, spans: list[tuple[str, int, int, str, object]]) -> tuple[str, int, int | None, bool]:
    ends = [0, *(end for _, _, end, _, _ in spans)]
    stretches = [start - end - 1 for end, (_, start, _, side, _) in zip(ends, spans, strict=False) if side == "Outside"]
    longest = max(stretches, default=0)
    is_open = spans[-1][3] != "Outside"
    is_lumen = any(isinstance(place, str) and re.search("Lumenal|Mitoch", place) for *_, place in spans)
    return symbol, len(spans), None if is_open and longest < 30 else longest, is_lumen


def read_accessions(path: str | os.PathLike[str]) -> pd.Series:
    """Accession → symbol, from a table of votes with the columns `uniprot_acc` and `hgnc_symbol`.

    Raises
    ------
    InputError
        The file cannot be read, or a column is missing.

    Examples
    --------
    >>> read_accessions("absent.tsv")
    Traceback (most recent call last):
    cartarget.errors.InputError: absent.tsv: cannot be read ...
    """
    frame = _read(path)
    _need(frame, ("uniprot_acc", "hgnc_symbol"), path)
    frame = frame[frame["uniprot_acc"].ne("")].drop_duplicates("uniprot_acc")
    return frame.set_index("uniprot_acc")["hgnc_symbol"]


def experiments(*, rescue: pd.DataFrame | None = None, clinic: pd.DataFrame | None = None) -> pd.DataFrame:
    """Antigens that an experiment put on the surface: the rescue list, and what was bound in patients.

    What a CAR, an engager or a conjugate was given to patients for is on the surface of their cells; rows of the
    clinical table whose status is preclinical are left out.

    Parameters
    ----------
    rescue
        `votes.read_rescue`. None: none.
    clinic
        `symbol`, `modality`, `status`, `source`. None: none.

    Returns
    -------
    DataFrame
        Index `symbol`: `experiment` (what was done), `experiment_source`.

    Examples
    --------
    >>> columns = ["symbol", "modality", "status", "source"]
    >>> clinic = pd.DataFrame([["CA9", "CAR T", "phase 1", "PMID:1"]], columns=columns)
    >>> experiments(clinic=clinic).loc["CA9", "experiment"]
    'CAR T in patients'
    """
    found = [pd.DataFrame({"symbol": [], "experiment": [], "experiment_source": []}, dtype=object)]
    if rescue is not None:
        found.append(rescue.assign(experiment=rescue["reason"], experiment_source=rescue["source"])[found[0].columns])
    if clinic is not None:
        treated = given_to_patients(clinic)
        found.append(
            treated.assign(experiment=treated["modality"] + " in patients", experiment_source=treated["source"])[
                found[0].columns
            ]
        )
    return pd.concat(found).drop_duplicates("symbol").set_index("symbol")


def given_to_patients(clinic: pd.DataFrame) -> pd.DataFrame:
    """The rows of a clinical table (`status`) whose product patients have had: all but the preclinical ones.

    Examples
    --------
    >>> clinic = pd.DataFrame({"symbol": ["CA9", "LY6G6D"], "status": ["phase 1", "preclinical"]})
    >>> given_to_patients(clinic)["symbol"].tolist()
    ['CA9']
    """
    return clinic[~clinic["status"].str.contains("preclinical")]


def _first(found: pd.DataFrame) -> pd.DataFrame:
    return found.dropna(subset=["symbol"]).drop_duplicates("symbol").set_index("symbol")


def _read(path: str | os.PathLike[str]) -> pd.DataFrame:
    try:
        with opened(path) as handle:
            return pd.read_csv(io.BytesIO(handle.read()), sep="\t", dtype=str, keep_default_na=False, quoting=3)
    except (OSError, EOFError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a tab-separated table") from error


def _need(frame: pd.DataFrame, columns: tuple[str, ...], path: str | os.PathLike[str]) -> None:
    for column in columns:
        if column not in frame:
            raise InputError(f"{path}: column {column!r} is missing; found {', '.join(map(str, frame.columns[:12]))}")
