"""How often data that fool a naive reading fool `cartarget`, and whether its intervals hold.

    .venv/bin/python benchmarks/fooled.py [ATLASES]

Prints, over 1,000 simulated atlases in which a vital tissue is truly hit by more than its cap, how often a naive
reading and `cartarget` call the gate within caps; then the coverage of each interval near the cap.
`benchmarks/fooling.py` tells how each is made.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import fooling
import numpy as np

ATLASES = 1000
CAP = 0.05


def false_safety(n: int) -> list[str]:
    """One line a trap."""
    lines = ["| trap | atlases | liability under the cap, naive | within caps | unknown |", "|---|---|---|---|---|"]
    each = max(1, n // (len(fooling.CASES) + len(fooling.OPEN)))
    for number, (name, make) in enumerate({**fooling.CASES, **fooling.OPEN}.items()):
        naive, found = 0, []
        for rng in fooling.streams(number, each):
            case = make(rng)
            naive += bool(case.naive_scores()["liability"] <= CAP)
            found.append(case.scores()["safety_class"])
        shares = [f"{found.count(kind) / each:.1%}" for kind in ("within caps", "unknown")]
        lines.append(f"| {name} | {each} | {naive / each:.1%} | {shares[0]} | {shares[1]} |")
    return lines


def near_the_cap(donors: tuple[int, ...]) -> list[str]:
    """Lowest and highest coverage over donors and fractions near the cap."""
    lines = [
        "| correlation of one antigen in five, others 0.05 | bound of these | interval of these | bound of others |"
    ]
    lines.append("|---|---|---|---|")
    for odd in (0.05, 0.3, 0.6, 0.99):
        cases = [fooling.Population(d, truth, odd) for d in donors for truth in (0.05, 0.1, 0.2)]
        cells = []
        for is_spread in (True, False):
            found = [fooling.covered(case, seed=1, is_spread=is_spread) for case in cases]
            names = ("bound, odd", "interval, odd", "bound, other")
            cells.append([f"{min(f[k] for f in found):.1%}–{max(f[k] for f in found):.1%}" for k in names])
        told = [f"{new} (usual spread {old})" for new, old in zip(*cells, strict=True)]
        lines.append(f"| {odd:g} | " + " | ".join(told) + " |")
    return lines


def many_places() -> list[str]:
    """What holds of the bounds of many places, and of the highest of them."""
    lines = [
        "| places | worst place under the highest bound | every place under its own | highest median over the worst |"
    ]
    lines.append("|---|---|---|---|")
    for places in (1, 10, 50, 300):
        table = fooling.worst_of(places, seed=places, antigens=400)
        holds = (table["bound"] >= table["truth"]).mean()
        above = (table["median"] - table["truth"]).mean()
        lines.append(f"| {places} | {holds:.1%} | {table['all_hold'].mean():.1%} | {above:+.3f} on average |")
    return lines


def people() -> list[str]:
    """Interval of the share of people over the cap, and people who are called over although they are at it."""
    lines = ["| people | truly over | 95 % interval holds it | called over |", "|---|---|---|---|"]
    for donors, share, own in ((10, 0.1, 0.3), (30, 1 / 30, 0.3), (30, 0.1, 0.3), (100, 0.1, 0.3), (100, 1.0, 0.05)):
        table = fooling.shares_over(share, donors=donors, own=own, seed=donors)
        holds = ((table["people_share_lower"] <= share) & (share <= table["people_share_upper"])).mean()
        called = (table["people_over_cap"] / table["people_n"]).mean()
        told = (f"{share:.0%}", f"{holds:.1%}") if own > CAP else ("none: all at the cap", "–")
        lines.append(f"| {donors} | {told[0]} | {told[1]} | {called:.1%} |")
    return lines


def ranks() -> list[str]:
    """Whether the interval of a rank over resampled people holds the true rank."""
    lines = ["| patients | 95 % interval holds the true rank | mean width, of 8 ranks |", "|---|---|---|"]
    for patients in (20, 40, 100):
        found = [fooling.ranks_held(patients, seed=seed) for seed in range(10)]
        held, width = np.mean(found, axis=0)
        lines.append(f"| {patients} | {held:.1%} | {width:.1f} |")
    return lines


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else ATLASES
    np.seterr(all="ignore")
    sections: tuple[tuple[str, Callable[..., list[str]], object], ...] = (
        (
            "Coverage near the cap (true fraction 0.05, 0.1, 0.2), 1, 2 and 3 donors of 20 cells",
            near_the_cap,
            (1, 2, 3),
        ),
        ("The same, 5, 10, 20 and 60 donors of 20 cells", near_the_cap, (5, 10, 20, 60)),
        ("The worst of many places", many_places, None),
        ("People over the cap", people, None),
        ("Ranks over resampled people", ranks, None),
        (f"Within caps, falsely, of {n} fooled atlases", false_safety, n),
    )
    for title, lines, given in sections:
        print(f"### {title}\n\n" + "\n".join(lines() if given is None else lines(given)) + "\n", flush=True)


if __name__ == "__main__":
    main()
