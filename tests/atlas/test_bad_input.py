"""Bad bulk input: a clear error that names file and line, and nothing written."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import pytest

from cartarget.atlas import read_atlas
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError

HOSTILE = "</script><img src=x onerror=alert(1)>"
T, N = "TCGA-AG-3742-01A-11R-1660-07", "TCGA-AG-3742-11A-01R-1660-07"
TUMOR, NORMAL = "read-rsem-count-tcga-t.txt.gz", "read-rsem-count-tcga.txt.gz"
GOOD = "Hugo_Symbol\tEntrez_Gene_Id\t{}\nEPCAM\t 4072\t120.00\nALB\t  213\t3.50\n"


def pack(text: str) -> bytes:
    return gzip.compress(text.encode("utf-8", errors="surrogateescape"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / TUMOR).write_bytes(pack(GOOD.format(T)))
    (tmp_path / NORMAL).write_bytes(pack(GOOD.format(N)))
    return tmp_path


def read(folder: Path, path: str = ".", reader: str = "rsem_counts", **given: str) -> ad.AnnData:
    atlas = AtlasConfig(name="bulk", reader=reader, path=path, **given)  # type: ignore[arg-type]
    return read_atlas(atlas, config=Config(data_dir=str(folder), indication="read"))


def test_good_input_is_good(folder: Path) -> None:
    read(folder)


@pytest.mark.parametrize("side", [TUMOR, NORMAL])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.replace("\t120.00", "\tmany"), "line 2: found 'many' where a number belongs"),
        (lambda s: s.replace("\t120.00", "\t"), "line 2: found nothing where a number belongs"),
        (lambda s: s.replace("\t120.00", "\t1,200"), "line 2: found '1,200' where a number belongs"),
        (lambda s: s.replace("\t120.00", "\tNaN"), "line 2: found nan in column 'TCGA-AG"),
        (lambda s: s.replace("3.50", "-3.50"), "line 3: found -3.5 in column 'TCGA-AG"),
        (lambda s: s.replace("3.50", "inf"), "line 3: found inf in column 'TCGA-AG"),
        (lambda s: s.replace("3.50", "1e60"), "line 3: found inf in column 'TCGA-AG"),
        (lambda s: s.replace("\t3.50", ""), "line 3: found 2 fields, expected 3 as in the header"),
        (lambda s: s.replace("\t3.50", "\t3.50\t9"), "line 3: found 4 fields, expected 3 as in the header"),
        (lambda s: s.replace("ALB", "A\udce9B"), "line 3: not text in UTF-8"),
        (lambda s: s.replace("120.00", "6.90"), r"the values look like logs \(largest 6.9, not whole\), but counts"),
        (lambda s: s.replace("120.00", "0").replace("3.50", "0"), "sample 'TCGA-AG.* has no count at all"),
        (lambda s: s.split("\n")[0], "no row below the header"),
        (lambda s: "", "line 1: the header is empty"),
        (lambda s: "one column\nA\n", "line 1: found one column"),
        (lambda s: "Hugo_Symbol\tEntrez_Gene_Id\nA\t1\n", "line 1: no column of numbers"),
        (lambda s: "Hugo_Symbol\tS\tS\nA\t1\t2\n", "line 1: column 'S' stands twice"),
    ],
)
def test_a_broken_count_file_is_named_with_its_line(
    folder: Path, side: str, change: Callable[[str], str], message: str
) -> None:
    (folder / side).write_bytes(pack(change(GOOD.format(T if side == TUMOR else N))))
    before = sorted(folder.iterdir())
    with pytest.raises(InputError, match=f"{side}.*{message}"):
        read(folder)
    assert sorted(folder.iterdir()) == before


def test_the_line_is_right_behind_blank_lines(folder: Path) -> None:
    (folder / NORMAL).write_bytes(pack(GOOD.format(N).replace("ALB", "\n\nALB").replace("3.50", "-1")))
    with pytest.raises(InputError, match="line 5: found -1"):
        read(folder)


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.95])
def test_a_truncated_gzip_is_named(folder: Path, cut: float) -> None:
    whole = (folder / NORMAL).read_bytes()
    (folder / NORMAL).write_bytes(whole[: int(len(whole) * cut)])
    with pytest.raises(InputError, match=f"{NORMAL}: truncated or damaged gzip"):
        read(folder)


def test_a_file_that_is_no_gzip_is_named(folder: Path) -> None:
    (folder / NORMAL).write_bytes(GOOD.format(N).encode())
    with pytest.raises(InputError, match=f"{NORMAL}: truncated or damaged gzip"):
        read(folder)


@pytest.mark.parametrize("gone", [TUMOR, NORMAL])
def test_an_empty_side_is_named(folder: Path, gone: str) -> None:
    (folder / gone).unlink()
    with pytest.raises(InputError, match="no tumour file" if gone == TUMOR else "no file of normal tissue"):
        read(folder)


def test_a_table_of_tumours_alone_is_an_atlas(folder: Path) -> None:
    (folder / "all.tsv").write_text(f"gene\t{T}\nEPCAM\t120\n")
    assert set(read(folder, "all.tsv").obs["side"]) == {"tumor"}


def test_a_hostile_gene_name_passes_as_text(folder: Path) -> None:
    (folder / NORMAL).write_bytes(pack(GOOD.format(N).replace("ALB", HOSTILE)))
    adata = read_atlas(
        AtlasConfig(name="bulk", reader="rsem_counts", path="."), config=Config(data_dir=str(folder), indication="read")
    )
    assert HOSTILE in adata.var_names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gene\tlung\tliver\nA\t1\t2\nB\tx\t2\n", "line 3: found 'x' where a number belongs"),
        ("gene\tlung\tliver\nA\t1\n", "line 2: found 2 fields, expected 3"),
        ("gene\tlung\tliver\nA\t1\t-0.5\n", "line 2: found -0.5 in column 'liver'.*log ratios"),
        ("gene\tlung\tliver\nA\t1\tinf\n", "line 2: found inf in column 'liver'"),
        ("gene\tlung\tlung\nA\t1\t1\n", "line 1: column 'lung' stands twice"),
        ("gene\tlung\tliver\n", "no row below the header"),
    ],
)
def test_a_broken_summary_table_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "s_tpm.tsv").write_text(text)
    with pytest.raises(InputError, match=rf"s_tpm\.tsv.*{message}"):
        read(tmp_path, "s_tpm.tsv", reader="summary_table", role="normal")


@pytest.mark.parametrize("reader", ["summary_table", "ihc"])
def test_truncated_summaries_and_stains_are_named(tmp_path: Path, reader: str) -> None:
    text = "Gene\tGene name\tTissue\tCell type\tLevel\tReliability\n"
    text += "".join(f"E{i}\tG{i * 7919}\tlung\tx{i}\tLow\tEnhanced\n" for i in range(500))
    if reader == "summary_table":
        text = "gene\tlung\n" + "".join(f"G{i}\t{i * 7919}\n" for i in range(500))
    packed = pack(text)
    (tmp_path / "x_tpm.tsv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match=r"x_tpm\.tsv\.gz: truncated or damaged gzip"):
        read(tmp_path, "x_tpm.tsv.gz", reader=reader, role="normal")


def test_a_cohort_that_shares_no_gene_is_refused_by_name(folder: Path) -> None:
    atlas = AtlasConfig(name="second", reader="rsem_counts", path=".", role="replication")
    config = Config(data_dir=str(folder), indication="read")
    with pytest.raises(InputError, match=r"atlas second: it shares none of the 2 genes .*\(CDH17, MSLN …\)"):
        read_atlas(atlas, config=config, keep=["MSLN", "CDH17"])
