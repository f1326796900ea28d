"""All pairs of antigens at three thresholds each, against all pairs at the run's threshold.

    python benchmarks/affinity.py [--quick]

The same kernel judges both. Three rows an antigen are nine times the pairs; the claim is at most ten times the time.
"""

from __future__ import annotations

import sys
import time

import cartarget
from cartarget.evidence.affinity import with_own_thresholds
from cartarget.evidence.panel import Panel, build_panel
from cartarget.evidence.part import count_atlas
from cartarget.logic.thresholds import with_threshold
from cartarget.safety.scan import scan_pairs

STEPS = (2, 3)
REPEAT = 3


def panel_of(n_antigens: int) -> tuple[Panel, Panel]:
    """Simulated cells at one count, and the same with every antigen at two and at three counts beside it."""
    tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    atlas = cartarget.simulate_atlas(n_background=n_antigens)
    atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon", "rectum"])
    symbols = list(atlas.var_names)[-n_antigens:]
    part = count_atlas(atlas, symbols=symbols, count=[1, *STEPS])

    def at(count: float) -> Panel:
        return build_panel(part, symbols=symbols, required=tiers.required, origin=["colon", "rectum"], count=count)

    own = [with_threshold(symbol, step) for step in STEPS for symbol in symbols]
    return at(1), with_own_thresholds(at(1), antigens=own, at=at)


def seconds(panel: Panel) -> float:
    """Best time of the scan of all pairs."""
    times = []
    for _ in range(REPEAT):
        begun = time.perf_counter()
        scan_pairs(panel, keep_redundant=1000, progress=False)
        times.append(time.perf_counter() - begun)
    return min(times)


def main() -> None:
    """Print both times and their ratio."""
    n = 200 if "--quick" in sys.argv else 800
    plain, own = panel_of(n)
    scan_pairs(plain.take(plain.symbols[:64]), progress=False)
    once, stepped = seconds(plain), seconds(own)
    print(f"| {n} antigens | one threshold {once:.2f} s | three each {stepped:.2f} s | {stepped / once:.1f} times |")


if __name__ == "__main__":
    main()
