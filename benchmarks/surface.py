"""Surface evidence: a whole UniProt file, the surface score on labelled proteins, and the twins of an antigen.

    .venv/bin/python benchmarks/surface.py [DATA_FOLDER]

1. 20,400 made-up Swiss-Prot records of the size of real ones: seconds and peak memory of `uniprot_table`, beside
   Biopython on every line of the same file.
2. Precision and recall of the surface score, of "two votes or more" and of weights fitted in ten folds, on
   resources/surface_labels.tsv: on all labels, on those drawn by rule, and on those of them with a paper of their own;
   the score in each stratum; whether the fit is better than the fixed weights; how many genes stand after each step;
   which clinical targets are lost. Needs the data folder.
3. One antigen against 3,000 outside parts, beside aligning them all (timed on a hundred and scaled up).
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from cartarget.config import load_config
from cartarget.genes import read_gene_table
from cartarget.run.inputs import surface_sources
from cartarget.safety.toxicity import read_clinical_targets
from cartarget.surface.calibrate import cross_validate, fit_weights, performance, predict, read_labels, rounded
from cartarget.surface.gather import gather
from cartarget.surface.grade import grade
from cartarget.surface.homology import LETTERS, align, build_surfaceome, find_twins

ROOT = Path(__file__).resolve().parents[1]
RECORDS, LONGEST_S, LARGEST_MB = 20_400, 60, 500
DRAWN = ("two votes", "one vote", "organelle", "secreted", "inner")
"""Strata of which the labels were drawn at random, whatever the score makes of them."""


def record(number: int) -> str:
    """A type I protein with the references, cross-references and variants that make a real record long."""
    reference = (
        "RN   [{n}]\nRP   NUCLEOTIDE SEQUENCE [LARGE SCALE MRNA].\nRX   PubMed={n}; DOI=10.1016/s0378-{n};\n"
        "RA   Swisshelm K.L., Machl A., Planitzer S., Robertson R., Kubbies M.,\nRA   Hosier S.;\n"
        'RT   "A senescence-associated cDNA isolated from human mammary epithelial\nRT   cells.";\n'
        "RL   Gene 226:285-295(1999).\n"
    )
    variant = (
        'FT   VARIANT         {n}\nFT                   /note="V -> I (in dbSNP:rs{n})"\n'
        'FT                   /evidence="ECO:0000269|PubMed:1431115"\nFT                   /id="VAR_{n:06d}"\n'
    )
    return (
        f"ID   G{number}_HUMAN              Reviewed;         400 AA.\nAC   P{number:05d};\n"
        "DT   30-MAY-2000, integrated into UniProtKB/Swiss-Prot.\nDE   RecName: Full=A protein;\n"
        f"GN   Name=GENE{number}; Synonyms=ALIAS{number};\nOS   Homo sapiens (Human).\nOX   NCBI_TaxID=9606;\n"
        + "".join(reference.format(n=n) for n in range(1, 25))
        + "CC   -!- FUNCTION: Long sentences about what a protein does in the cell, with citations\n" * 40
        + "CC   -!- SUBCELLULAR LOCATION: Cell membrane {ECO:0000269|PubMed:1}; Single-pass\n"
        "CC       type I membrane protein {ECO:0000255}.\n"
        + "".join(f"DR   Database{n}; ENST00000{n:06d}.4; ENSP00000{n:06d}.3; ENSG00000163347.6.\n" for n in range(120))
        + 'FT   SIGNAL          1..20\nFT   TOPO_DOM        21..300\nFT                   /note="Extracellular"\n'
        'FT   TRANSMEM        301..321\nFT   TOPO_DOM        322..400\nFT                   /note="Cytoplasmic"\n'
        + "".join(variant.format(n=n) for n in range(25, 55))
        + "SQ   SEQUENCE   400 AA;  42000 MW;  7B3E5A0AE8EC7AFD CRC64;\n"
        + "     AAAAAAAAAA CCCCCCCCCC DDDDDDDDDD EEEEEEEEEE FFFFFFFFFF\n" * 8
        + "//\n"
    )


OURS = "from cartarget.surface.uniprot import uniprot_table; print(len(uniprot_table(PATH)))"
PLAIN = "from Bio import SwissProt; print(sum(1 for _ in SwissProt.parse(PATH)))"


def timed(code: str, path: Path) -> tuple[float, int]:
    """Seconds of a fresh interpreter, and the records it counted."""
    start = time.perf_counter()
    found = subprocess.run(
        [sys.executable, "-c", code.replace("PATH", repr(path.as_posix()))],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return time.perf_counter() - start, int(found.stdout)


def uniprot_pass() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "human.dat"
        with path.open("w") as handle:
            handle.writelines(record(number) for number in range(RECORDS))
        size = path.stat().st_size
        seconds, count = timed(OURS, path)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        whole, _ = timed(PLAIN, path)
    print(f"UniProt: {count:,} records, {size / 1e6:,.0f} MB of text, in {seconds:.1f} s and {peak:,.0f} MB")
    print(f"  Biopython on every line: {whole:.1f} s; ratio {whole / seconds:.1f}")
    return seconds <= LONGEST_S and peak <= LARGEST_MB


def real_sources(data: Path) -> dict[str, pd.DataFrame]:
    config = load_config(ROOT / "config" / "examples" / "rectal.yaml").model_copy(update={"data_dir": data.as_posix()})
    sources = surface_sources(config, genes=read_gene_table(config.data(str(config.genes.table))))
    assert sources is not None
    return sources


def wilson(right: int, total: int) -> str:
    """A share with its Wilson 95 % interval."""
    low, high = binomtest(right, total).proportion_ci(method="wilson")
    return f"{right}/{total} = {right / total:.3f} ({low:.3f} to {high:.3f})"


def agreement(name: str, called: pd.Series, labels: pd.Series, *, names: bool) -> None:
    """Precision and recall of a call, with Wilson 95 % intervals."""
    found = performance(called.to_numpy(), labels.to_numpy(), labels.index)
    right = int((called & labels).sum())
    print(f"    {name:18} precision {wilson(right, int(called.sum()))}  recall {wilson(right, int(labels.sum()))}")
    if names:
        print(
            f"      wrongly kept: {', '.join(found.wrongly_kept)}\n      wrongly lost: {', '.join(found.wrongly_lost)}"
        )


def held_out(evidence: pd.DataFrame, labels: pd.Series, *, seed: int = 0) -> pd.Series:
    """Calls of weights that were fitted without the tenth of the labels that they judge."""
    found = cross_validate(evidence, labels.to_numpy(), seed=seed)
    return labels ^ labels.index.isin([*found.wrongly_kept, *found.wrongly_lost])


def labelled(evidence: pd.DataFrame, votes: pd.DataFrame) -> None:
    """What the score achieves on labelled proteins, beside two votes and a fit."""
    table = read_labels().set_index("symbol")
    blind = evidence.loc[table.index].assign(experiment="")
    counts = votes.sum(axis=1).reindex(table.index)
    calls = {
        "fixed weights": grade(blind)["is_candidate"],
        "fixed, votes alone": grade(gather(table.index, votes=votes))["is_candidate"],
        "two votes or more": counts.ge(2),
    }
    drawn = table["stratum"].isin(DRAWN)
    sets = {
        "all labels": drawn | True,
        "drawn by rule": drawn,
        "drawn, with a paper of their own": drawn & table["kind"].eq("paper"),
    }
    print("\nsurface score on labelled proteins; experiments not used, and a fit never sees what it judges")
    for name, kept in sets.items():
        truth = table.loc[kept, "is_surface"]
        print(f"  {name}: {truth.sum()} on the surface, {(~truth).sum()} not")
        for call, told in calls.items():
            agreement(call, told[kept], truth, names=name == "all labels")
        agreement("fitted, ten folds", held_out(blind[kept], truth), truth, names=name == "all labels")
    truth, fixed = table["is_surface"], calls["fixed weights"]
    print("  fixed weights by stratum: kept of those on the surface; left out of those that are not")
    for name, part in table.groupby("stratum"):
        yes, no = part.index[part["is_surface"]], part.index[~part["is_surface"]]
        print(f"    {name:18} {fixed[yes].sum()}/{len(yes)}; {(~fixed[no]).sum()}/{len(no)}")
    wrong = [int((held_out(blind, truth, seed=seed) != truth).sum()) for seed in range(20)]
    fit_wrong, fixed_wrong = held_out(blind, truth) != truth, fixed != truth
    apart = int((fit_wrong & ~fixed_wrong).sum()), int((fixed_wrong & ~fit_wrong).sum())
    print(
        f"  wrong of {len(truth)}: fixed {fixed_wrong.sum()}; fitted {min(wrong)} to {max(wrong)} over 20 foldings. "
        f"Only the fit is wrong {apart[0]} times, only the fixed weights {apart[1]} times "
        f"(exact McNemar p = {binomtest(apart[0], max(sum(apart), 1)).pvalue:.2f})"
    )
    weights = fit_weights(blind, truth.to_numpy())
    told = predict(evidence, weights) | evidence["experiment"].ne("")
    clinic = read_clinical_targets()["symbol"].unique()
    print(f"  fitted on all: {rounded(weights)}")
    print(f"  clinical targets lost by that fit: {', '.join(name for name in clinic if not told[name])}")


def score(data: Path) -> None:
    sources = real_sources(data)
    votes = sources["votes"]
    evidence = gather(votes.index, **sources)
    labelled(evidence, votes)
    table = grade(evidence)
    held = table["surface_score"].ge(0)
    steps = {
        "genes of the table": len(table),
        "two votes or more (as before)": int(votes.sum(axis=1).ge(2).sum()),
        "score at least even": int(held.sum()),
        "and 30 residues outside not ruled out": int((held & table["topology"].ne("short")).sum()),
        "or put there by an experiment": int(table["is_candidate"].sum()),
    }
    for name, count in steps.items():
        print(f"  {name:40} {count:6,}")
    clinic = read_clinical_targets()["symbol"].unique()
    print(f"  clinical targets lost: {', '.join(name for name in clinic if not table.loc[name, 'is_candidate'])}")


def twins() -> bool:
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(5.2, 1.0, 3000), 20, 4000).astype(int)
    letters = list(LETTERS)
    parts = {f"G{number}": "".join(rng.choice(letters, length)) for number, length in enumerate(lengths)}
    parts["MINE"] = "".join(rng.choice(letters, 600))
    parts["KIN"] = "".join(rng.choice(letters) if rng.random() < 0.4 else letter for letter in parts["MINE"])
    start = time.perf_counter()
    known = build_surfaceome(parts)
    built = time.perf_counter() - start
    start = time.perf_counter()
    found = find_twins("MINE", surfaceome=known)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    for name in list(parts)[:100]:
        align(parts["MINE"], parts[name])
    each = (time.perf_counter() - start) / 100
    print(f"\ntwins: {len(parts):,} outside parts indexed in {built:.1f} s, one antigen searched in {seconds:.2f} s")
    print(
        f"  aligning all: {each * len(parts):.0f} s; ratio {each * len(parts) / seconds:.0f}; first: {found.index[0]}"
    )
    return seconds <= 1 and found.index[0] == "KIN"


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else (ROOT / "../shared/data").resolve()
    is_quick = uniprot_pass()
    if data.is_dir():
        score(data)
    else:
        print(f"\n{data}: absent; give the folder that the examples read for the surface score")
    if not twins() or not is_quick:
        sys.exit("too slow, or too large")


if __name__ == "__main__":
    main()
