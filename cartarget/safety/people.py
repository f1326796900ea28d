"""Who is at risk: a gate's exposure person by person in each vital or required place, and what those over it share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.atlas.traits import TRAITS
from cartarget.evidence.intervals import fraction_interval, posterior_quantile
from cartarget.evidence.packed import WORD
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.safety.conjunction import Evidence
from cartarget.safety.judge import Judged, judge
from cartarget.safety.known import known

_PLACE = ("population", "tissue", "cell_type", "tier", "is_required", "is_origin", "evidence")
_COUNTS = ("n_donors", "n_donors_able", "people_over_cap", "worst_n_observations")
_FRACTIONS = (
    *("share", "share_lower", "share_upper", "cap", "mean_exposure"),
    *("donor_median", "donor_p90", "donor_worst"),
)
COLUMNS = (
    *("gate", *_PLACE, "measured", "n_donors", "n_donors_able", "people_over_cap"),
    *("share", "share_lower", "share_upper", "cap", "mean_exposure", "mean_keeps_cap"),
    *("donor_median", "donor_p90", "donor_worst", "worst_n_observations", "in_common"),
)
"""Columns of `people_table`."""

TOLD, IN_PART, UNKNOWN = "yes", "in part", "unknown"


def people_table(
    panel: Panel, gates: Gates | Sequence[str | Gate], *, names: Sequence[str] | None = None
) -> pd.DataFrame:
    """A gate's exposure of each normal person, in every vital or required place.

    Who is over a cap is what `judge` counts: in cells a donor of whom as many cells hit would be rarer than 5 % at the
    cap; in samples a donor who is hit. The share of people over the cap is the posterior median of Beta(½ + k, ½ + n −
    k) for k of n donors, its interval the 95 % Jeffreys interval.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates, as text or as `Gates`.
    names
        Gates as text. None: as they are called.

    Returns
    -------
    DataFrame
        One row per gate and place, in the order of `COLUMNS`:

        - `gate`; `population`, `tissue`, `cell_type`, `tier`, `is_required`, `is_origin`; `evidence` (`cells`,
          `nuclei`, `samples`; empty where nobody was measured).
        - `measured`: `yes`; `in part`, where some antigens were not measured: the people counted are then the
          fewest that can be, no share is told, and its upper end is 1; `unknown`, with every number missing and a share
          between 0 and 1. A required place that no donor measures is a row, and unknown.
        - `n_donors`; `n_donors_able`, those of enough cells that as many hits as they have could be over the cap;
          `people_over_cap` (missing where there is no cap), `share`, `share_lower`, `share_upper`, `cap`.
        - `mean_exposure` of all, for power corrected, and `mean_keeps_cap`: what the mean alone says of the cap.
        - `donor_median`, `donor_p90`, `donor_worst`: fraction of a donor's own cells or samples that is hit, not
          corrected; `worst_n_observations`: how many those are of the worst donor.
        - `in_common`: what the donors over the cap share, beside the others (see `shared_traits`); missing where nobody
          is over.

        No donor is named. Nothing here is a verdict; the class is the judge's.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=2, n_donors=5, cells_per_population=20, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> panel = cartarget.build_panel(atlas, symbols=["CEACAM5", "MSLN"], required=["lung", "heart"], origin=["colon"])
    >>> table = people_table(panel, ["MSLN"])
    >>> row = table[table["tissue"] == "lung"].iloc[0]
    >>> row["measured"], int(row["n_donors"])
    ('yes', 5)
    """
    gates = gates if isinstance(gates, Gates) else Gates.parse(gates, panel=panel)
    judged, people = judge(panel, gates), People.of(panel)
    called = list(names) if names is not None else gates.names(panel.symbols)
    rows = [
        {"gate": called[at]} | row
        for at, hits in people.hits(gates)
        for row in (*_measured(panel, people, judged, at, hits), *_unmeasured(panel, people))
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    order = {name: number for number, name in enumerate(called)}
    frame = frame.assign(order=frame["gate"].map(order)).sort_values(["order", "tissue", "population"], kind="stable")
    frame = frame.drop(columns="order").reset_index(drop=True)
    whole, plain = dict.fromkeys(_COUNTS, "Int64"), dict.fromkeys(_FRACTIONS, "float64")
    return frame.astype({**whole, **plain, "mean_keeps_cap": "boolean", "is_required": bool, "is_origin": bool})


@dataclass(frozen=True, eq=False)
class People:
    """The donors of each vital or required normal population, one row a donor and population.

    Attributes
    ----------
    panel
        The evidence.
    bits
        Bits of the panel's words that are observations of these populations.
    row_of_bit
        Row of each of them.
    population, donor
        Of each row.
    n
        Observations of each row.
    need
        Hits from which the donor is over the cap.
    """

    panel: Panel
    bits: NDArray[np.int64]
    row_of_bit: NDArray[np.int64]
    population: NDArray[np.int64]
    donor: NDArray[np.int64]
    n: NDArray[np.int64]
    need: NDArray[np.int64]

    @staticmethod
    def of(panel: Panel) -> People:
        """The people of a panel.

        Raises
        ------
        ValueError
            The panel does not know whose each observation is.
        """
        packed, table = panel.packed, panel.populations
        if packed.donor is None:
            raise ValueError("a panel knows whose each observation is; this one was not made by build_panel")
        asked = panel.is_normal & ((table["tier"] == "vital") | table["is_required"].fillna(False).astype(bool))
        words = (packed.segments["stop"] - packed.segments["start"]).to_numpy() * WORD
        segment = np.repeat(np.arange(len(words)), words)
        owner = packed.segments["population"].to_numpy(dtype=np.int64)
        bits = np.flatnonzero((packed.donor >= 0) & asked.to_numpy(dtype=bool)[owner[segment]])
        width = len(packed.donors) + 1
        key, row, n = np.unique(segment[bits] * width + packed.donor[bits], return_inverse=True, return_counts=True)
        of_segment = key // width
        population = owner[of_segment]
        need = np.where(panel.is_sample[population], 1, known(panel).need[of_segment])
        return People(panel, bits, np.ravel(row), population, key % width, n, need)

    def hits(self, gates: Gates) -> list[tuple[int, NDArray[np.int64]]]:
        """Each gate's place among `gates`, and the observations of each row that it hits at least."""
        return [
            (int(place), self._hits(Evidence(self.panel, shape, rows[row : row + 1])))
            for shape, at, rows in gates.batches()
            for row, place in enumerate(at)
        ]

    def _hits(self, evidence: Evidence) -> NDArray[np.int64]:
        octets = evidence.hit()[0].astype("<u8").view(np.uint8)
        is_hit = np.unpackbits(octets, bitorder="little")[self.bits]
        return np.bincount(self.row_of_bit[is_hit.astype(bool)], minlength=len(self.n)).astype(np.int64)

    @cached_property
    def places(self) -> list[tuple[int, NDArray[np.int64]]]:
        """Each population, and its rows."""
        return [(int(one), np.flatnonzero(self.population == one)) for one in np.unique(self.population)]


def _measured(
    panel: Panel, people: People, judged: Judged, gate: int, hits: NDArray[np.int64]
) -> list[dict[str, object]]:
    """A row for each population in which donors were measured."""
    return [
        _describe(panel, place) | _exposed(panel, people, judged, (gate, place), hits[rows], rows)
        for place, rows in people.places
    ]


def _describe(panel: Panel, place: int) -> dict[str, object]:
    one = panel.populations.iloc[place]
    return {
        **{name: str(one[name] or "") for name in ("population", "tissue", "cell_type", "tier")},
        **{name: bool(one[name]) for name in ("is_required", "is_origin")},
        "evidence": str(one["assay"]),
    }


def _exposed(
    panel: Panel,
    people: People,
    judged: Judged,
    at: tuple[int, int],
    hits: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> dict[str, object]:
    """Numbers of one gate in one population."""
    place, n = at[1], len(rows)
    is_told, is_whole = bool(judged.told[at]), bool(judged.complete[at])
    row: dict[str, object] = {
        "measured": TOLD if is_whole else IN_PART if is_told else UNKNOWN,
        "n_donors": n,
        "n_donors_able": int((people.need[rows] <= people.n[rows]).sum()) if panel.is_capped[place] else None,
        "cap": panel.cap[place],
        **_no_share(),
    }
    if not is_told:
        return row
    own = hits / people.n[rows]
    worst = np.lexsort((people.n[rows], own))[-1]
    row |= {
        "donor_median": np.median(own),
        "donor_p90": np.quantile(own, 0.9),
        "donor_worst": own[worst],
        "worst_n_observations": int(people.n[rows][worst]),
    }
    if is_whole:
        usual = panel.populations["n_effective"].iloc[place]
        row["mean_exposure"] = float(posterior_quantile(judged.low[at], usual, q=0.5))
    if not panel.is_capped[place]:
        return row
    over = hits >= people.need[rows]
    row["mean_keeps_cap"] = bool(judged.low[at] <= panel.highest_fraction[place]) if is_whole else None
    row["people_over_cap"] = int(judged.people_over[at])
    row |= _share(int(judged.people_over[at]), n, is_whole=is_whole)
    row["in_common"] = _in_common(panel, people.donor[rows], over) if over.any() else None
    return row


def _share(over: int, n: int, *, is_whole: bool) -> dict[str, object]:
    """Share of people over the cap and its interval; of the fewest that it can be, only the lower end is known."""
    lower, upper = fraction_interval(over / n, n)
    share = float(posterior_quantile(over / n, n, q=0.5)) if is_whole else np.nan
    return {"share": share, "share_lower": float(lower), "share_upper": float(upper) if is_whole else 1.0}


def _no_share() -> dict[str, object]:
    return {"people_over_cap": None, "share": np.nan, "share_lower": 0.0, "share_upper": 1.0}


def _unmeasured(panel: Panel, people: People) -> list[dict[str, object]]:
    """A row for each required place in which no donor was measured."""
    seen = {
        (str(panel.populations["tissue"].iloc[place]), str(panel.populations["cell_type"].iloc[place] or ""))
        for place, _ in people.places
    }
    tissues = {tissue for tissue, _ in seen}
    parts = [name.partition(": ") for name in panel.required]
    open_ = [
        (tissue, kind) for tissue, _, kind in parts if (tissue, kind) not in seen and (kind or tissue not in tissues)
    ]
    return [
        {
            "population": f"{tissue}: {kind}" if kind else tissue,
            "tissue": tissue,
            "cell_type": kind,
            "tier": "",
            "is_required": True,
            "is_origin": tissue in panel.origin,
            "evidence": "",
            "measured": UNKNOWN,
            "n_donors": 0,
            **_no_share(),
        }
        for tissue, kind in open_
    ]


@dataclass(frozen=True)
class Shared:
    """What people over a cap share: of those of known `trait`, how many have `value`; the same of the others."""

    trait: str
    value: str
    n_over: int
    of_over: int
    n_others: int
    of_others: int

    def __str__(self) -> str:
        if not self.of_over:
            return f"{self.trait}: unknown"
        if not self.value:
            return f"{self.trait}: nothing that half of the {self.of_over} over the cap share"
        others = f"{self.n_others} of {self.of_others} others" if self.of_others else "of others unknown"
        return f"{self.trait}: {self.value} {self.n_over} of {self.of_over} over the cap, {others}"


def shared_traits(values: Mapping[str, Sequence[str]], over: Sequence[bool] | NDArray[np.bool_]) -> list[Shared]:
    """What the people over a cap have in common: counts, no test.

    Of each trait the value that most people over the cap have, if at least half of those of known value have it; of
    two that tie, both. Who is not known is in no count. With few people something is always shared: the others' count
    is there to be compared.

    Parameters
    ----------
    values
        Trait → its value for each person, empty where unknown. A trait that is not there is unknown of everybody.
    over
        Who is over the cap.

    Examples
    --------
    >>> values = {"smoking": ["smoker", "smoker", "smoker", "", "non-smoker"]}
    >>> found = shared_traits(values, [True, True, False, False, False])
    >>> print("; ".join(map(str, found)))
    sex: unknown; age: unknown; smoking: smoker 2 of 2 over the cap, 1 of 2 others
    """
    is_over = np.asarray(over, dtype=bool)
    found = []
    for trait in (name.removeprefix("donor_") for name in TRAITS):
        told = np.array(values.get(trait, [""] * len(is_over)), dtype=object)
        mine, others = told[is_over & (told != "")], told[~is_over & (told != "")]
        counts = pd.Series(mine, dtype=object).value_counts().sort_index()
        best = counts[(counts == counts.max()) & (2 * counts >= len(mine))]
        for value, n in best.items() if len(best) else [("", 0)]:
            found.append(Shared(trait, str(value), int(n), len(mine), int((others == value).sum()), len(others)))
    return found


def _in_common(panel: Panel, donor: NDArray[np.int64], over: NDArray[np.bool_]) -> str:
    values = {name: [told[who] for who in donor] for name, told in panel.traits.items()}
    text = "; ".join(map(str, shared_traits(values, over)))
    return f"{text} (one person: no group is shown)" if over.sum() == 1 else text
