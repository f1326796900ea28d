"""What products did to patients: organs harmed and organs spared, and tumours that shrank. Every row has its source."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from cartarget.errors import GateError, InputError
from cartarget.logic.gate import Gate
from cartarget.safety.sourced import (
    CERTAINTIES,
    MODALITIES,
    SEVERITIES,
    harmonised_organs,
    identified,
    one_of,
    read_sourced,
)
from cartarget.safety.tiers import Tiers

OUTCOMES = Path("resources") / "outcomes.tsv"
EFFICACY = Path("resources") / "efficacy.tsv"

WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "harmed": {"severity": SEVERITIES, "certainty": (*CERTAINTIES, "unsaid"), "presence": ("",)},
    "tolerated": {"severity": ("",), "certainty": ("stated", "unlisted"), "presence": ("said", "atlas")},
    "not reported": {"severity": ("",), "certainty": ("",), "presence": ("",)},
}
"""The words that each outcome allows in three columns; what they mean stands in `resources/README.md`."""

VIEW = {"antigen": "symbol", "evidence": "event", "title": "source_title"}
"""Columns of the outcomes that have another name in `toxicity.tsv`."""

_WHOLE = re.compile("[0-9]{1,6}")
_KEY = ["antigen", "product", "organ", "outcome", "source"]


def read_outcomes(
    path: str | os.PathLike[str] = OUTCOMES, *, tiers: Tiers, symbols: Collection[str] | None = None
) -> pd.DataFrame:
    """Read what products against surface antigens did to organs of patients, harm and its absence.

    Parameters
    ----------
    path
        Tab-separated table with the columns `antigen` (HGNC symbol or gate), `product`, `modality` (one of
        `MODALITIES`), `indication`, `organ` (a tissue of the tier table), `outcome` (`harmed`, `tolerated`,
        `not reported`), `severity`, `certainty` and `presence` (words as in `WORDS`), `n_patients` (empty: not
        stated), `evidence`, `source` (DOI, PubMed, PubMed Central or trial number), `title` (as it was seen).
    tiers
        The tier table, for the names of organs.
    symbols
        Symbols that exist, as the gene table gives them. None: not checked.

    Returns
    -------
    One row per row of the file, indexed by its line; `antigen` in the canonical form of its gate, `organ` harmonised,
    `n_patients` a nullable integer (missing: not stated).

    Raises
    ------
    InputError
        A row lacks a cell; its antigen is no gate or no known symbol; its organ is in no row of the tier table; a
        word does not fit the outcome; a number is none; or a row stands twice. The message gives the line.

    Examples
    --------
    >>> from cartarget.safety.tiers import read_tiers
    >>> outcomes = read_outcomes(tiers=read_tiers("config/tissue_tiers.tsv"))
    >>> sorted(outcomes.loc[outcomes["antigen"] == "CDH3", "organ"])
    ['esophagus', 'oral mucosa', 'skin']
    """
    names = ["antigen", "product", "modality", "indication", "organ", "outcome"]
    names += ["severity", "certainty", "presence", "n_patients", "evidence", "source", "title"]
    frame = read_sourced(path, names, may_be_empty=["severity", "certainty", "presence", "n_patients"])
    frame["antigen"] = _gates(frame, path, symbols=symbols)
    one_of(frame, "modality", MODALITIES, path)
    frame["organ"] = harmonised_organs(frame, path, tiers=tiers)
    one_of(frame, "outcome", tuple(WORDS), path)
    _fits_outcome(frame, path)
    frame["n_patients"] = _whole(frame, "n_patients", path, least=1)
    identified(frame, ["source"], path)
    _refuse_twice(frame, _KEY, path)
    return frame


def read_efficacy(path: str | os.PathLike[str] = EFFICACY, *, symbols: Collection[str] | None = None) -> pd.DataFrame:
    """Read objective responses by antigen, product and indication.

    Columns: `antigen`, `product`, `modality`, `indication`, `n_patients` and `n_responses` (nullable integers),
    `rate` (fraction in [0, 1]: as told, else `n_responses` / `n_patients`), `source`, `title`. A row tells the
    responses of a known number of patients, or a rate.

    Raises
    ------
    InputError
        As `read_outcomes`; also more responses than patients, a rate outside [0, 1], or neither of them.

    Examples
    --------
    >>> table = read_efficacy()
    >>> float(table.loc[table["product"] == "CTX130", "rate"].iloc[0])
    0.0625
    """
    names = ["antigen", "product", "modality", "indication", "n_patients", "n_responses", "rate", "source", "title"]
    frame = read_sourced(path, names, may_be_empty=["n_patients", "n_responses", "rate"])
    frame["antigen"] = _gates(frame, path, symbols=symbols)
    one_of(frame, "modality", MODALITIES, path)
    identified(frame, ["source"], path)
    frame["n_patients"] = _whole(frame, "n_patients", path, least=1)
    frame["n_responses"] = _whole(frame, "n_responses", path, least=0)
    rate = pd.to_numeric(frame["rate"].replace("", "nan"), errors="coerce")
    for line in frame.index:
        text, patients, responses = frame.loc[line, ["rate", "n_patients", "n_responses"]]
        if text and not 0 <= rate[line] <= 1:
            raise InputError(f"{path}, line {line}: rate is {text!r}; expected a fraction from 0 to 1")
        if pd.notna(responses) and (pd.isna(patients) or responses > patients):
            raise InputError(f"{path}, line {line}: {responses} responses of {patients} patients; correct one of them")
        if not text and pd.isna(responses):
            raise InputError(f"{path}, line {line}: neither n_responses nor rate is given; give one of them")
    counted = (
        (frame["n_responses"] / frame["n_patients"]).astype("Float64").to_numpy(dtype=float, na_value=float("nan"))
    )
    frame["rate"] = rate.fillna(pd.Series(counted, index=frame.index))
    _refuse_twice(frame, ["antigen", "product", "indication", "source"], path)
    return frame


def toxicity_view(outcomes: pd.DataFrame) -> pd.DataFrame:
    """The rows of `toxicity.tsv`: harm of which a source says how sure it is that the antigen was the cause.

    One row per antigen and organ: the gravest, then the surest, then the first. Harm with certainty `unsaid`, which a
    payload may have done, and harm of gates are left out.

    Examples
    --------
    >>> from cartarget.safety.tiers import read_tiers
    >>> view = toxicity_view(read_outcomes(tiers=read_tiers("config/tissue_tiers.tsv")))
    >>> view.loc[view["symbol"] == "CEACAM5", "organ"].tolist()
    ['colon', 'lung']
    """
    harm = outcomes[outcomes["certainty"].isin(CERTAINTIES) & outcomes["antigen"].map(_is_single)]
    order = pd.DataFrame(
        {"severity": harm["severity"].map(SEVERITIES.index), "certainty": harm["certainty"].map(CERTAINTIES.index)}
    ).sort_values(["severity", "certainty"], kind="stable")
    worst = harm.loc[order.index].drop_duplicates(["antigen", "organ"]).sort_index()
    names = ["symbol", "organ", "severity", "certainty", "modality", "event", "source", "source_title"]
    return worst.rename(columns=VIEW)[names].reset_index(drop=True)


def _fits_outcome(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    for line, outcome in frame["outcome"].items():
        for name, allowed in WORDS[outcome].items():
            found = frame.at[line, name]
            if found not in allowed:
                told = ", ".join(word or "nothing" for word in allowed)
                raise InputError(f"{path}, line {line}: {name} of {outcome} is {found!r}; expected {told}")


def _is_single(antigen: str) -> bool:
    return Gate.parse(antigen).n_literals == 1


def _gates(frame: pd.DataFrame, path: str | os.PathLike[str], *, symbols: Collection[str] | None) -> pd.Series:
    canonical = {}
    for line, text in frame["antigen"].items():
        try:
            gate = Gate.parse(text)
        except GateError as error:
            raise InputError(f"{path}, line {line}: antigen {text!r} is no gate ({error})") from error
        unknown = [symbol for symbol in gate.antigens if symbols is not None and symbol not in symbols]
        if unknown:
            raise InputError(f"{path}, line {line}: {unknown[0]!r} is no current symbol; give the one of HGNC")
        if gate.is_not_only:
            raise InputError(f"{path}, line {line}: {text!r} hits cells that bear no antigen; name what was aimed at")
        canonical[line] = str(gate)
    return pd.Series(canonical, index=frame.index, dtype=object)


def _whole(frame: pd.DataFrame, name: str, path: str | os.PathLike[str], *, least: int) -> pd.Series:
    told = frame.loc[frame[name] != "", name]
    wrong = [line for line, text in told.items() if not _WHOLE.fullmatch(text) or int(text) < least]
    if wrong:
        raise InputError(
            f"{path}, line {wrong[0]}: {name} is {frame[name][wrong[0]]!r}; expected a whole number from {least}, or "
            "nothing"
        )
    values = [pd.NA if text == "" else int(text) for text in frame[name]]
    return pd.Series(values, index=frame.index, dtype="Int64")


def _refuse_twice(frame: pd.DataFrame, key: Sequence[str], path: str | os.PathLike[str]) -> None:
    twice = frame.index[frame.duplicated(list(key))]
    if len(twice):
        row = frame.loc[twice[0]]
        first = frame.index[(frame[list(key)] == row[list(key)]).all(axis=1)][0]
        what = ", ".join(row[name] for name in key)
        raise InputError(f"{path}, line {twice[0]}: stands on line {first} already ({what}); keep one")
