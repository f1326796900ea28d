"""Reading what is larger than memory: time and peak memory, beside plain unpacking of the same file.

    .venv/bin/python benchmarks/streaming.py xena [GENES SAMPLES]     default 60000 19000: 2 GB of disk
    .venv/bin/python benchmarks/streaming.py h5ad [CELLS GENES]       default 1000000 20000: 2 GB of disk

`xena`: a gzip matrix of log2(count + 1) as UCSC Xena writes them, half of it zeros, one pass that keeps 2,700 genes and
sizes every library, against `gzip -dc` to nowhere (the time below which no reader can go) and `pandas.read_csv` in
chunks of 500 genes (on a sixtieth of the genes, times sixty). `h5ad`: sparse counts, 200 genes a cell, to packed
positivity of 2,700 antigens. Each contender runs in a process of its own; peak memory is all that it ever held. CPU
time stands beside the clock's, which on a busy machine says little. The file is made in a temporary folder (TMPDIR
chooses where) and removed at the end.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
KEEP = 2700
LINES = 150
"""Different lines of the matrix; the others repeat them under other names."""


def member(data: bytes, *, level: int = 6) -> bytes:
    """A whole gzip stream; several in a row are one file."""
    pack = zlib.compressobj(level, zlib.DEFLATED, 31)
    return pack.compress(data) + pack.flush()


def make_xena(path: Path, n_genes: int, n_samples: int) -> int:
    """Write a matrix; return the bytes of its text."""
    draws = np.random.default_rng(0)
    bodies = []
    for _ in range(min(LINES, n_genes)):
        counts = draws.gamma(0.5, 800, size=n_samples) * (draws.random(n_samples) < 0.5)
        bodies.append(("\t" + "\t".join(f"{value:.4f}" for value in np.log2(counts + 1)) + "\n").encode())
    packed = [member(body) for body in bodies]
    header = "sample\t" + "\t".join(f"TCGA-{i // 5000:02d}-{i % 5000:04d}-01" for i in range(n_samples)) + "\n"
    size = len(header)
    with open(path, "wb") as handle:
        handle.write(member(header.encode()))
        for gene in range(n_genes):
            name = f"ENSG{gene:011d}.1".encode()
            handle.write(member(name, level=1) + packed[gene % len(packed)])
            size += len(name) + len(bodies[gene % len(bodies)])
    return size


def make_h5ad(path: Path, n_cells: int, n_genes: int) -> None:
    """Write sparse counts, `CHUNK` cells at a time."""
    import anndata
    import h5py
    import pandas as pd

    draws, per_cell, step = np.random.default_rng(0), 200, 20_000
    kinds = np.array(["carcinoma", "hepatocyte", "T cell", "fibroblast"])
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(kinds[np.arange(n_cells) % 4]),
            "donor_id": pd.Categorical([f"D{i % 20}" for i in range(n_cells)]),
        },
        index=[f"c{i}" for i in range(n_cells)],
    )
    var = pd.DataFrame(index=[f"G{i}" for i in range(n_genes)])
    anndata.AnnData(obs=obs, var=var, shape=(n_cells, n_genes)).write_h5ad(path)
    with h5py.File(path, "a") as handle:
        if "X" in handle:
            del handle["X"]
        group = handle.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": (n_cells, n_genes)})
        total = n_cells * per_cell
        data = group.create_dataset("data", (total,), dtype="f4", chunks=(1 << 18,))
        indices = group.create_dataset("indices", (total,), dtype="i4", chunks=(1 << 18,))
        group["indptr"] = np.arange(0, total + 1, per_cell, dtype=np.int64)
        for start in range(0, n_cells, step):
            n = min(step, n_cells - start)
            starts = np.sort(draws.integers(0, n_genes // per_cell, size=(n, per_cell)), axis=1)
            at = starts + np.arange(per_cell) * (n_genes // per_cell)
            place = slice(start * per_cell, (start + n) * per_cell)
            indices[place] = np.sort(at, axis=1).ravel()
            data[place] = draws.integers(1, 5, size=n * per_cell)


def xena_cartarget(path: Path, n_genes: int) -> object:
    from cartarget.atlas.readers.xena import read_xena
    from cartarget.config import AtlasConfig, Config

    keep = {f"ENSG{gene:011d}.1" for gene in range(0, n_genes, max(1, n_genes // KEEP))}
    atlas = AtlasConfig(name="toil", reader="xena", path=str(path), unit="log2(count + 1)", tissue="x")
    return read_xena(atlas, config=Config(), genes=None, keep=keep).shape


def xena_pandas(path: Path, n_genes: int) -> object:
    import pandas as pd

    total, wanted = 0.0, []
    for chunk in pd.read_csv(path, sep="\t", index_col=0, chunksize=500, nrows=max(1, n_genes // 60)):
        values = np.exp2(chunk.to_numpy(dtype=np.float32)) - 1
        total = total + values.sum(axis=0, dtype=np.float64)
        wanted.append(values[:: max(1, n_genes // KEEP)])
    return np.vstack(wanted).shape


def h5ad_cartarget(path: Path, n_genes: int) -> object:
    from cartarget.atlas.readers.h5ad import read_h5ad
    from cartarget.config import AtlasConfig, CellLabels, Config
    from cartarget.evidence.stream import pack_stream

    normal = ["hepatocyte", "T cell", "fibroblast"]
    labels = CellLabels(
        malignant="cell_type",
        malignant_values=["carcinoma"],
        normal_values=normal,
        donor="donor_id",
        cell_type="cell_type",
    )
    keep = {f"G{gene}" for gene in range(0, n_genes, max(1, n_genes // KEEP))}
    atlas = AtlasConfig(name="cells", reader="h5ad", path=str(path), tissue="liver", labels=labels)
    return pack_stream(read_h5ad(atlas, config=Config(), genes=None, keep=keep), threshold=1).words.shape


def measure(contender: str, path: Path, n_genes: int) -> dict[str, Any]:
    """Seconds and peak megabytes of a contender, in a process of its own."""
    code = (
        f"import json, sys, time; sys.argv = ['x']; sys.path.insert(0, {str(ROOT / 'benchmarks')!r})\n"
        "import streaming; from pathlib import Path\n"
        f"start = time.perf_counter(); shape = streaming.{contender}(Path({str(path)!r}), {n_genes})\n"
        "peak = [line for line in open('/proc/self/status') if line.startswith('VmHWM')][0].split()[1]\n"
        "print(json.dumps({'seconds': time.perf_counter() - start, 'CPU': time.process_time(), 'MB': int(peak) / 1024,"
        " 'shape': list(shape)}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else "xena"
    sizes = tuple(map(int, sys.argv[2:4])) or {"xena": (60_000, 19_000)}.get(kind, (1_000_000, 20_000))
    with tempfile.TemporaryDirectory() as folder:
        (xena if kind == "xena" else h5ad)(Path(folder), *sizes)


def h5ad(folder: Path, n_cells: int, n_genes: int) -> None:
    path = folder / "x.h5ad"
    make_h5ad(path, n_cells, n_genes)
    found = measure("h5ad_cartarget", path, n_genes)
    print(f"{n_cells:,} cells × {n_genes:,} genes, {path.stat().st_size / 1e9:.2f} GB: {found}")


def xena(folder: Path, n_genes: int, n_samples: int) -> None:
    path = folder / "x.tsv.gz"
    size, packed = make_xena(path, n_genes, n_samples), path.stat().st_size
    print(f"{n_genes:,} genes × {n_samples:,} samples: {size / 1e9:.2f} GB of text, {packed / 1e9:.2f} GB packed")
    start, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with open(path, "rb") as source:
        subprocess.run(["gzip", "-dc"], stdin=source, stdout=subprocess.DEVNULL, check=True)
    plain, cpu = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - cpu
    print(f"gzip -dc            {plain:7.1f} s, CPU {cpu:6.1f} s   {size / plain / 1e6:.0f} MB/s of text", flush=True)
    ours = measure("xena_cartarget", path, n_genes)
    print(
        f"cartarget           {ours['seconds']:7.1f} s, CPU {ours['CPU']:6.1f} s   {plain / ours['seconds']:.0%} of "
        f"gzip's speed, {ours['CPU'] / cpu:.2f} of its CPU time, peak {ours['MB']:,.0f} MB",
        flush=True,
    )
    other = measure("xena_pandas", path, n_genes)
    theirs, longer = other["seconds"] * 60, other["seconds"] * 60 / ours["seconds"]
    print(f"pandas (1/60 × 60)  {theirs:7.1f} s   {longer:.1f} times as long, peak {other['MB']:,.0f} MB")


if __name__ == "__main__":
    main()
