"""Reading the 26 bulk count files: `cartarget` against pandas alone, time and memory as ratios.

    .venv/bin/python benchmarks/readers.py [FOLDER]

Each contender runs in a process of its own, several times in turn; the shortest time and the highest memory count.
Memory is the peak beyond what the process held after it had imported its libraries and read two small files.
pandas reads float64 tables and does nothing else; `cartarget` also finds every gene, makes CPM and checks the values.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
BULK = "bulk_counts_rnaseqdb"
SMALL = ("cesc-rsem-count-tcga.txt.gz", "chol-rsem-count-tcga-t.txt.gz")
REPEATS = 3


def pandas(small: bool) -> list[object]:
    import pandas as pd

    files = sorted((DATA / BULK).glob("*.txt.gz"))
    return [pd.read_csv(file, sep="\t") for file in files if not small or file.name in SMALL]


def cartarget(small: bool, keep: int | None = None) -> object:
    from cartarget.atlas import read_atlas
    from cartarget.config import AtlasConfig, Config
    from cartarget.genes import read_gene_table

    global GENES
    if "GENES" not in globals():
        GENES = read_gene_table(DATA / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz")
    tumor, normal = (SMALL[1], SMALL[0]) if small else ("*-t.txt.gz", None)
    return read_atlas(
        AtlasConfig(name="bulk", reader="rsem_counts", path=BULK, tumor=tumor, normal=normal),
        config=Config(data_dir=str(DATA), indication="read"),
        genes=GENES,
        keep=None if keep is None else list(GENES.symbols.index[:keep]),
    )


CONTENDERS = {
    "pandas.read_csv": pandas,
    "cartarget, all genes": cartarget,
    "cartarget, 2,700 genes": lambda small: cartarget(small, keep=2700),
}


def measure(name: str) -> dict[str, float]:
    """Seconds and MB of one contender, in this process."""
    CONTENDERS[name](True)
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
    start, start_cpu = time.perf_counter(), time.process_time()
    held = CONTENDERS[name](False)
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    assert held is not None
    return {
        "seconds": seconds,
        "cpu": cpu,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6 - before,
    }


def main() -> None:
    if not (DATA / BULK).is_dir():
        print(f"{DATA / BULK} is absent: the bulk files are not measured")
        return
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(REPEATS):
        for name, found in runs.items():
            out = subprocess.run(
                [sys.executable, __file__, str(DATA), name], check=True, capture_output=True, text=True, cwd=ROOT
            )
            found.append(json.loads(out.stdout))
    rows = [(min(r["seconds"] for r in f), min(r["cpu"] for r in f), max(r["mb"] for r in f)) for f in runs.values()]
    print("26 count files, ratios to pandas in brackets; lower is better")
    print(f"{'':24}{'wall s':>16}{'CPU s':>16}{'MB':>16}")
    for name, row in zip(runs, rows, strict=True):
        cells = [f"{own:8.2f} ({own / base:.2f}×)" for own, base in zip(row, rows[0], strict=True)]
        print(f"{name:24}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if len(sys.argv) > 2:
        print(json.dumps(measure(sys.argv[2])))
    else:
        main()
