"""Damaged input: every reader either reads it or raises the project's own error; no crash, no hang, no blow-up.

The quick suite tries a few inputs for each reader; all of them, in a few minutes:

    CARTARGET_FUZZ=10000 pytest tests/atlas/test_fuzz.py
"""

from __future__ import annotations

import gzip
import io
import os
import resource
import shutil
import signal
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from cartarget.atlas import read_atlas
from cartarget.atlas.formats import hdf5
from cartarget.atlas.public.ontology import read_obo
from cartarget.atlas.public.sources import read_sources
from cartarget.atlas.purity import read_purity
from cartarget.config import AtlasConfig, CellLabels, Config, read_sheet
from cartarget.errors import CartargetError
from cartarget.surface.workbook import read_sheet as read_workbook
from tests.atlas import standins, test_check, test_ontology, test_proteome, test_recount3, test_tenx, test_tumor_protein
from tests.surface.test_build import write_xlsx

ROOT = Path(__file__).resolve().parents[2]
TOTAL = int(os.environ.get("CARTARGET_FUZZ", "450"))
SECONDS = 20
GIGABYTES = 3
ROWS = standins.toil_samples(n_tumors=4, n_donors=1)
SPECIAL = [
    b"",
    b"nan",
    b"NA",
    b"-1",
    b"1e999",
    b"inf",
    b"0x1p3",
    b"9" * 400,
    b"\x00",
    b"\xff\xfe",
    b'"',
    b"1,5",
    b"ENSG",
    b"\r",
]
LABELS = CellLabels(malignant="label", malignant_values=["T"], normal_values=["N"], donor="who")


class Hang(BaseException):
    """Not an Exception, so that no reader can swallow it."""


def _xena(folder: Path) -> None:
    standins.xena(folder / "x.tsv.gz", standins.toil_counts(ROWS), [row[0] for row in ROWS])
    standins.phenotype(folder / "p.txt.gz", ROWS)


def _gct(folder: Path) -> None:
    standins.gct(folder / "x_tpm.gct", standins.toil_counts(ROWS)[:, :9], list(standins.GTEX[:9]), version="1.3")


def _summary(folder: Path) -> None:
    head = "Gene\tGene.name\tliver\tlung\n"
    rows = (
        f"{ensembl.split('.')[0]}\t{name}\t{i}.5\t0\n" for i, (name, (ensembl, _)) in enumerate(standins.GENES.items())
    )
    standins.write(folder / "x_tpm.tsv.gz", head + "".join(rows))


def _rsem(folder: Path) -> None:
    for name, sample in (("read-rsem-count-tcga-t", "TCGA-AF-2689-01A"), ("read-rsem-count-tcga", "TCGA-AF-2690-11A")):
        rows = (f"{gene}\t{entrez}\t{i * 9}.2\t{i}\n" for i, (gene, (_, entrez)) in enumerate(standins.GENES.items()))
        head = f"Hugo_Symbol\tEntrez_Gene_Id\t{sample}\t{sample[:-5]}X-{sample[-3:]}\n"
        standins.write(folder / f"{name}.txt.gz", head + "".join(rows))


def _cells(folder: Path) -> None:
    for side in ("tumor", "normal"):
        rows = (f"{gene}\t{i % 3}\t{i % 2}\n" for i, gene in enumerate(standins.GENES))
        standins.write(folder / f"P1_{side}_cells.txt", f"gene\t{side}1\t{side}2\n" + "".join(rows))


def _mtx(folder: Path) -> None:
    body = "\n".join(f"{1 + i % 3} {1 + i // 3} {i + 1}" for i in range(12))
    standins.write(folder / "matrix.mtx", f"%%MatrixMarket matrix coordinate integer general\n%\n3 4 12\n{body}\n")
    standins.write(folder / "genes.tsv", "ENSG00000119888\tEPCAM\nENSG00000102854\tMSLN\nENSG00000128052\tKDR\n")
    standins.write(folder / "cells.tsv", "cell\tlabel\twho\na\tT\tA\nb\tT\tB\nc\tN\tA\nd\tN\tB\n")


def _tenx(folder: Path) -> None:
    test_tenx.write_tenx(folder / "x.h5")
    test_tenx.write_cells(folder / "cells.tsv")


def _zarr(folder: Path) -> None:
    import anndata

    test_check.cells(folder / "x.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        anndata.read_h5ad(folder / "x.h5ad").write_zarr(folder / "x.zarr")
    (folder / "x.h5ad").unlink()


def _atlas(**about: object) -> Callable[[Path], object]:
    atlas = AtlasConfig.model_validate({"name": "fuzz", **about})
    return lambda folder: read_atlas(atlas, config=Config(data_dir=str(folder), indication="read"))


CASES: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "xena": (
        _xena,
        _atlas(reader="xena", path="x.tsv.gz", samples="p.txt.gz", tumor="Rectum*", unit="log2(count + 1)"),
    ),
    "gct": (_gct, _atlas(reader="gct", path="x_tpm.gct", role="normal")),
    "hpa": (
        lambda folder: standins.hpa_consensus(folder / "x.tsv.zip"),
        _atlas(reader="hpa_long", path="x.tsv.zip", role="normal"),
    ),
    "ihc": (
        lambda folder: (standins.hpa_ihc(folder / "x.tsv.zip"), standins.hpa_locations(folder / "l.tsv")),
        _atlas(reader="ihc", path="x.tsv.zip", locations="l.tsv", role="protein"),
    ),
    "ihc_cancer": (
        lambda folder: test_tumor_protein.stains(folder),
        _atlas(reader="ihc_cancer", path="pathology.tsv.zip", role="tumor_protein", tumor="melanoma"),
    ),
    "cptac": (
        lambda folder: test_tumor_protein.ratios(folder),
        _atlas(reader="cptac", path="", role="tumor_protein", tissue="colon"),
    ),
    "proteome": (
        lambda folder: test_proteome.write(folder / "t.txt", test_proteome.HPM),
        _atlas(reader="proteome", path="t.txt", role="proteome"),
    ),
    "recount3": (
        lambda folder: test_recount3.write(folder),
        _atlas(reader="recount3", path="*.gene_sums.*.gz", tissue="rectum"),
    ),
    "purity": (
        lambda folder: (folder / "p.tsv").write_text("sample\tpurity\nTCGA-AF-0001-01\t0.5\nx\tNA\n"),
        lambda folder: read_purity(folder / "p.tsv"),
    ),
    "ontology": (
        lambda folder: standins.write(folder / "x.obo", test_ontology.OBO),
        lambda folder: list(read_obo(folder / "x.obo").above("colon")),
    ),
    "summary": (_summary, _atlas(reader="summary_table", path="x_tpm.tsv.gz", role="normal")),
    "rsem": (_rsem, _atlas(reader="rsem_counts", path="")),
    "cell_table": (_cells, _atlas(reader="cell_table", path="", tumor="*_tumor_*", normal="*_normal_*", tissue="lung")),
    "mtx": (_mtx, _atlas(reader="mtx", path="", labels=LABELS)),
    "tenx": (_tenx, _atlas(reader="tenx_h5", path="x.h5", samples="cells.tsv", labels=test_tenx.LABELS)),
    "h5ad": (lambda folder: test_check.cells(folder / "x.h5ad"), _atlas(reader="h5ad", path="x.h5ad", labels=LABELS)),
    "zarr": (_zarr, _atlas(reader="zarr", path="x.zarr", labels=LABELS)),
    "sheet": (
        lambda folder: (folder / "s.tsv").write_text("name\tpath\trole\tdonor\nmine\tx.h5ad\tcounted\twho\n"),
        lambda folder: read_sheet(folder / "s.tsv"),
    ),
    "registry": (
        lambda folder: shutil.copy(ROOT / "resources" / "atlases.tsv", folder / "s.tsv"),
        lambda folder: read_sources(folder / "s.tsv"),
    ),
    "workbook": (
        lambda folder: write_xlsx(folder / "s.xlsx", {"one": [["a", "b"], ["1", "x"]] * 9}),
        lambda folder: read_workbook(folder / "s.xlsx"),
    ),
}


SLOW = ("h5ad", "tenx", "zarr")
"""Readers that take tenths of a second, since a child process looks first or many files are read: fewer inputs."""


def mutate(data: bytes, draws: np.random.Generator) -> bytes:
    """One to three small wounds."""
    for _ in range(int(draws.integers(1, 4))):
        n = max(len(data), 1)
        at, size = int(draws.integers(n)), int(draws.integers(1, 40))
        kind = int(draws.integers(8))
        if kind == 0:
            data = data[:at]
        elif kind == 1:
            data = data[:at] + data[at + size :]
        elif kind == 2:
            data = data[:at] + data[at : at + size] * int(draws.integers(2, 9)) + data[at + size :]
        elif kind == 3:
            data = data[:at] + bytes([int(draws.integers(256))]) + data[at + 1 :]
        elif kind == 4:
            data = data[:at] + draws.bytes(size) + data[at + size :]
        elif kind == 5:
            mark = b"\t" if b"\t" in data else b" "
            fields = data.split(mark)
            fields[int(draws.integers(len(fields)))] = SPECIAL[int(draws.integers(len(SPECIAL)))]
            data = mark.join(fields)
        elif kind == 6:
            lines = data.split(b"\n")
            first, second = (int(place) for place in draws.integers(len(lines), size=2))
            lines[first], lines[second] = lines[second], lines[first]
            data = b"\n".join(lines)
        else:
            data = data[:at] + SPECIAL[int(draws.integers(len(SPECIAL)))] + data[at:]
    return data


def wound(path: Path, draws: np.random.Generator) -> None:
    """Damage a file: its bytes, or what is packed in it."""
    data = path.read_bytes()
    inside = draws.random() < 0.6
    if inside and path.suffix == ".gz":
        data = gzip.compress(mutate(gzip.decompress(data), draws), compresslevel=1, mtime=0)
    elif inside and path.suffix in (".zip", ".xlsx"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        chosen = list(parts)[int(draws.integers(len(parts)))]
        parts[chosen] = mutate(parts[chosen], draws)
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as archive:
            for name, part in parts.items():
                archive.writestr(name, part)
        data = held.getvalue()
    else:
        data = mutate(data, draws)
    path.write_bytes(data)


@contextmanager
def bounded() -> Iterator[None]:
    """No more than some seconds and gigabytes beyond what the process has."""

    def late(*_: object) -> None:
        raise Hang(f"more than {SECONDS} seconds")

    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (held + (GIGABYTES << 30), before[1]))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("case", CASES)
def test_damaged_input_is_read_or_refused(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, read = CASES[case]
    whole = tmp_path / "whole"
    whole.mkdir()
    make(whole)
    read(whole)
    monkeypatch.setattr(hdf5, "SECONDS", 5.0)
    broken = tmp_path / "broken"
    draws = np.random.default_rng(sum(map(ord, case)))
    n = TOTAL // 50 if case in SLOW else -(-(TOTAL - len(SLOW) * (TOTAL // 50)) // (len(CASES) - len(SLOW)))
    n_read = 0
    for number in range(n):
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(whole, broken)
        files = sorted(path for path in broken.rglob("*") if path.is_file())
        chosen = files[int(draws.integers(len(files)))]
        wound(chosen, draws)
        state = sorted(path.name for path in broken.rglob("*"))
        try:
            with bounded(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(broken)
            n_read += 1
        except CartargetError as error:
            assert str(error)
        except BaseException as error:
            kept = Path(os.environ.get("CARTARGET_FUZZ_KEEP", tmp_path)) / f"{case}-{number}"
            shutil.copytree(broken, kept, dirs_exist_ok=True)
            raise AssertionError(f"{case}, input {number} ({chosen.name}, kept in {kept}): {error!r}") from error
        assert sorted(path.name for path in broken.rglob("*")) == state, "nothing is written beside the input"
    assert n_read < n, "some damage must be seen"
