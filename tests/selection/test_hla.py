"""HLA-gated blockers: types in every spelling, whom a blocker serves, unknown where nobody typed or looked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from cartarget.errors import InputError
from cartarget.selection.hla import (
    Rate,
    hla_table,
    once,
    parse_hla,
    rate_of,
    read_hla_rates,
    served_people,
    served_share,
)

# ---- spellings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["HLA-A*02:01", "A*02:01", "A0201", "HLA-A0201", "a*0201", "A*02:01:01:01",
                                  "hla_a_02_01_01_01", "A*02010101", " HLA-A*02:01P ", "A*02:01:01G"])  # fmt: skip
def test_one_allele_in_every_spelling(text: str) -> None:
    assert str(parse_hla(text)) == "A*02:01"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        *(("A2", "A*02"), ("HLA-A2", "A*02"), ("A*02", "A*02"), ("A*2", "A*02"), ("A*24:09N", "A*24:09N")),
        *(("B*15:220", "B*15:220"), ("C*07:02", "C*07:02"), ("A*30:14L", "A*30:14L")),
    ],
)
def test_other_names(text: str, read: str) -> None:
    assert str(parse_hla(text)) == read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *(("A28", "serological"), ("B62", "serological"), ("A*02101", "cut in two ways"), ("DRB1*04:01", "no allele")),
        *(("A*", "no allele"), ("02:01", "no allele"), ("positive", "no allele"), ("A*201:01", "two digits")),
        *(("A*02:0101", r"no protein has the number 0101; with colons write 02:01:01"), ("A*02:011", "number 011")),
    ],
)
def test_what_is_no_allele_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_hla(text)


@pytest.mark.parametrize(
    ("own", "blocker", "binds"),
    [
        ("A*02:06", "A*02", True),
        ("A*02:06", "A*02:01", False),
        ("A*02", "A*02:01", None),
        ("A*03:01", "A*02", False),
        ("A*02:53N", "A*02", False),
        ("A*02:01Q", "A*02", None),
        ("A*02:01L", "A*02:01", None),
        ("B*02:01", "A*02", False),
        ("A*02:06Q", "A*02:01", False),
    ],
)
def test_what_a_blocker_binds(own: str, blocker: str, binds: bool | None) -> None:
    assert parse_hla(own).is_of(parse_hla(blocker)) is binds


# ---- people --------------------------------------------------------------------------------------------------------


def person(one: object, two: object, lost: object, *, blocker: str = "A*02") -> pd.Series:
    return hla_table(pd.DataFrame([{"allele_1": one, "allele_2": two, "lost": lost}]), blocker=blocker).iloc[0]


@pytest.mark.parametrize(
    ("one", "two", "lost", "carrier", "once_", "gone", "served"),
    [
        ("A*02:01", "A*03:01", "A*02:01", True, True, True, True),
        ("HLA-A0201", "A3", "a2", True, True, True, True),
        ("A*02:01", "A*03:01", "A*03:01", True, True, False, False),
        ("A*02:01", "A*03:01", "none", True, True, False, False),
        ("A*02:01", "A*03:01", "", True, True, None, None),
        ("A*02:01", "A*02:06", "A*02:06", True, False, True, False),
        ("A*01:01", "A*03:01", "A*03:01", False, False, False, False),
        ("A*02:53N", "A*03:01", "", False, False, None, False),
        ("A*02:01", "", "A*02:01", True, None, True, None),
        ("A*01:01", "unknown", "", None, None, None, None),
        (np.nan, None, "NA", None, None, None, None),
        ("", "", "none", None, None, False, False),
    ],
)
def test_who_is_served(one, two, lost, carrier, once_, gone, served) -> None:
    found = person(one, two, lost)
    flags = [
        None if pd.isna(found[n]) else found[n] for n in ("is_carrier", "is_heterozygous", "has_lost", "is_served")
    ]
    assert flags == [carrier, once_, gone, served]
    assert ("unknown" in found["reason"]) == (served is None)


@pytest.mark.parametrize("nothing", [None, pd.NA, np.nan, pd.NaT, ""])
def test_who_was_not_looked_at_has_not_kept_it(nothing: object) -> None:
    found = hla_table(pd.DataFrame({"allele_1": ["A*02:01"], "allele_2": ["A*24:02"],
                                    "lost": pd.Series([nothing], dtype=object)}), blocker="A*02")  # fmt: skip
    assert pd.isna(found["has_lost"].iloc[0]) and pd.isna(found["is_served"].iloc[0])


@pytest.mark.parametrize(
    ("one", "two", "lost", "gone"),
    [
        ("A*02:01", "A*02:53N", "A*02", None),
        ("A*02:01", "A*02:53N", "A2", None),
        ("A*02:53N", "", "A*02", None),
        ("A*02:01", "A*02:53N", "A*02:53N", False),
        ("A*02:01", "A*02:53N", "A*02:53", None),
        ("A*02:01", "A*02:53N", "A*02:01", True),
        ("A*03:01", "A*02:53N", "A*02:53N", False),
        ("A*02:01", "A*03:01", "A*02:01N", None),
        ("A*02:01", "A*02N", "A*02", None),
        ("A*02:01", "A*02N", "A*02N", False),
    ],
)
@pytest.mark.parametrize("is_turned", [False, True])
def test_a_null_allele_may_be_the_lost_one(one: str, two: str, lost: str, gone: bool | None, is_turned: bool) -> None:
    """Losing the null allele of A*02 leaves the other A*02 on the tumour."""
    found = person(two, one, lost) if is_turned else person(one, two, lost)
    assert (None if pd.isna(found["has_lost"]) else bool(found["has_lost"])) is gone
    assert (not pd.isna(found["is_served"]) and bool(found["is_served"])) == (gone is True)


def test_a_fine_blocker_and_a_coarse_type() -> None:
    assert pd.isna(person("A*02", "A*03:01", "A*02", blocker="A*02:01")["is_served"])
    assert person("A*02:01", "A*03:01", "A*02", blocker="A*02:01")["is_served"], "it is the only A*02 of the person"
    assert pd.isna(person("A*02:01", "A*02:06", "A*02", blocker="A*02:01")["has_lost"]), "which of the two?"
    assert person("A*02:01", "A*02:06", "A*02:01", blocker="A*02:01")["is_served"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("A*02:01", "B*07:02", ""), "P01: found B.07:02, expected an allele of HLA-A"),
        (("A*02:01", "A*03:01", "A*24:02"), r"P01: the tumour is said to have lost A\*24:02, but"),
        (("A*02:01", "nonsense", ""), "P01: HLA type 'nonsense'"),
    ],
)
def test_contradictions_are_refused_without_a_name(row: tuple[str, str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        person(*row)


def test_no_identifier_leaves_the_table() -> None:
    types = pd.DataFrame(
        {"patient": ["MRN-7"], "allele_1": ["A2"], "allele_2": ["A3"], "lost": ["A2"]}, index=["MRN-7"]
    )
    assert "MRN-7" not in hla_table(types, blocker="A*02").to_csv()
    with pytest.raises(InputError, match="column 'lost' is missing"):
        hla_table(types.drop(columns="lost"), blocker="A*02")


def test_the_unknown_widen_the_share() -> None:
    types = pd.DataFrame([("A2", "A3", "A2"), ("A2", "A3", ""), ("A1", "A3", ""), ("", "", "")])
    found = served_people(hla_table(types.set_axis(["allele_1", "allele_2", "lost"], axis=1), blocker="A*02"))
    assert found == {"n": 4, "n_served": 1, "n_unknown": 2, "share_lower": 0.25, "share_upper": 0.75}
    nobody = pd.DataFrame({"is_served": pd.array([], dtype="boolean")})
    assert served_people(nobody) == {"n": 0, "n_served": 0, "n_unknown": 0, "share_lower": 0.0, "share_upper": 1.0}


# ---- rates ---------------------------------------------------------------------------------------------------------


def test_the_interval_holds_both_rates() -> None:
    found = served_share(Rate(0.4, 1000), loss=Rate(0.1, 500))
    ends = [beta(0.5 + 400, 0.5 + 600).ppf([0.0125, 0.9875]), beta(0.5 + 50, 0.5 + 450).ppf([0.0125, 0.9875])]
    assert (found.lower, found.upper) == pytest.approx((ends[0][0] * ends[1][0], ends[0][1] * ends[1][1]))
    rng = np.random.default_rng(0)
    drawn = [(rng.binomial(1000, 0.4) / 1000, rng.binomial(500, 0.1) / 500) for _ in range(1000)]
    held = [served_share(Rate(a, 1000), loss=Rate(b, 500)) for a, b in drawn]
    assert np.mean([one.lower <= 0.04 <= one.upper for one in held]) >= 0.95


def test_published_rates_are_upper_bounds_and_have_sources() -> None:
    rates = read_hla_rates()
    carriers = once(rate_of(rates[rates["what"] == "carriers"].iloc[0]))
    loss = rate_of(rates[rates["cancer"] == "colorectal"].iloc[0])
    found = served_share(carriers, loss=loss)
    assert found.share == pytest.approx(0.3818 * 0.156, abs=1e-4), "carriers × loss: 6 % of patients at most"
    assert found.is_upper_bound and found.lower == 0 and np.isnan(found.upper), "of how many is not told"
    assert found.source == "PMID:38872830; NCT04981119"
    assert set(rates["what"]) == {"carriers", "loss"} and (rates["source_title"].str.len() > 15).all()


def test_once_is_hardy_weinberg() -> None:
    """With a frequency of 0.3, 51 % carry the allele, 42 % of them once."""
    assert once(Rate(1 - 0.7**2)).share == pytest.approx(2 * 0.3 * 0.7)
    assert once(Rate(0.0)).share == 0


@pytest.mark.parametrize("share", [-0.1, 1.2, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        served_share(Rate(share), loss=Rate(0.1))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("loss\tA*02\tall\t\t12\tyes\tx\tpress release\tx", "line 2: source is 'press release'"),
        ("loss\tA*02\tall\tmany\t12\tyes\tx\tPMID:1\tx", "line 2: percent is '12' of n 'many'"),
        ("loss\tA*02\tall\t\t120\tyes\tx\tPMID:1\tx", "line 2: percent is '120'"),
        ("gain\tA*02\tall\t\t12\tyes\tx\tPMID:1\tx", "line 2: what is 'gain'"),
        ("loss\tA*02\tall\t\t\tyes\tx\tPMID:1\tx", "line 2: percent is empty"),
    ],
)
def test_rates_without_source_or_number_are_refused(tmp_path: Path, row: str, said: str) -> None:
    file = tmp_path / "rates.tsv"
    file.write_text("what\tallele\tcancer\tn\tpercent\tis_upper_bound\tnote\tsource\tsource_title\n" + row + "\n")
    with pytest.raises(InputError, match=said):
        read_hla_rates(file)
