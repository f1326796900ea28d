"""recount3: two projects become one atlas; coverage is CPM as counts are, whatever the reads' length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cartarget.atlas import read_atlas
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from tests.atlas import standins

ENSEMBL = [ensembl for ensembl, _ in standins.GENES.values()]
TUMORS = ("TCGA-AF-0001-01A-11R-A32Y-07", "TCGA-AF-0001-01A-21R-A32Y-07", "TCGA-AF-0002-06A-11R-A32Y-07",
          "TCGA-AF-0003-01A-11R-A32Y-07", "TCGA-AF-0001-11A-11R-A32Y-07")  # fmt: skip
LIVER = ("GTEX-11AAA-0526-SM-5A9A0.1", "GTEX-11AAA-0626-SM-5A9A0.1", "GTEX-11BBB-0526-SM-5A9A1.1")


def gene_sums(path: Path, values: np.ndarray, samples: list[str]) -> None:
    lines = ["##annotation=G026", "##date.generated=2020-08-20", "\t".join(["gene_id", *samples])]
    lines += ["\t".join([name, *map(str, row)]) for name, row in zip(ENSEMBL, values, strict=True)]
    standins.write(path, "\n".join(lines) + "\n")


def table(path: Path, column: str, samples: dict[str, str]) -> None:
    rows = [f"{number}\t{sample}\tx\t{value}" for number, (sample, value) in enumerate(samples.items())]
    standins.write(path, "\n".join([f"rail_id\texternal_id\tstudy\t{column}", *rows]) + "\n")


def write(folder: Path, *, length: int = 76) -> np.ndarray:
    """Two projects; return the counts of reads, genes × all samples."""
    counts = np.random.default_rng(0).poisson(40, size=(len(ENSEMBL), len(TUMORS) + len(LIVER)))
    ids = [f"uuid-{number}" for number in range(len(TUMORS))]
    gene_sums(folder / "tcga.gene_sums.READ.G026.gz", counts[:, : len(TUMORS)] * length, ids)
    table(folder / "tcga.tcga.READ.MD.gz", "tcga_barcode", dict(zip(ids, TUMORS, strict=True)))
    gene_sums(folder / "gtex.gene_sums.LIVER.G026.gz", counts[:, len(TUMORS) :] * 2 * length, list(LIVER))
    table(folder / "gtex.gtex.LIVER.MD.gz", "smtsd", dict.fromkeys(LIVER, "Liver"))
    return counts


def read(folder: Path, **about: str):
    about = {"path": "*.gene_sums.*.gz", "tissue": "rectum"} | about
    return read_atlas(AtlasConfig(name="r3", reader="recount3", **about), config=Config(data_dir=str(folder)))


def test_projects_join_and_the_length_of_reads_cancels(tmp_path: Path) -> None:
    counts = write(tmp_path)
    adata = read(tmp_path)
    kept = [0, 3, 4, 5, 7]
    cpm = counts / counts.sum(axis=0) * 1e6
    order = {"uuid-0": 0, "uuid-3": 3, "uuid-4": 4, LIVER[0]: 5, LIVER[2]: 7}
    assert set(adata.obs_names) == set(order) and len(kept) == len(order)
    expected = cpm[:, [order[name] for name in adata.obs_names]].T
    np.testing.assert_allclose(adata.X, expected, rtol=1e-5)
    seen = adata.obs[["side", "donor", "tissue", "dataset"]].astype(str)
    assert seen.loc["uuid-0"].tolist() == ["tumor", "TCGA-AF-0001", "tumor", "tcga-read"]
    assert seen.loc["uuid-4"].tolist() == ["normal", "TCGA-AF-0001", "rectum", "tcga-read"]
    assert seen.loc[LIVER[2]].tolist() == ["normal", "GTEX-11BBB", "Liver", "gtex-liver"]
    notes = adata.uns["cartarget"]["notes"]
    assert (
        "tcga.gene_sums.READ.G026.gz: 2 of 5 samples are left out: 1 further sample of a patient or donor, 1 metastasis"
        in notes
    )
    assert "values are base coverage: libraries are sized in bases" in notes
    assert [Path(file["path"]).name for file in adata.uns["cartarget"]["files"]] == [
        "gtex.gene_sums.LIVER.G026.gz", "gtex.gtex.LIVER.MD.gz", "tcga.gene_sums.READ.G026.gz", "tcga.tcga.READ.MD.gz",
    ]  # fmt: skip


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file.*cartarget atlas fetch recount3_tcga:READ"):
        read(tmp_path)
    write(tmp_path)
    (tmp_path / "gtex.gtex.LIVER.MD.gz").unlink()
    with pytest.raises(InputError, match=r"gtex\.gtex\.LIVER\.MD\.gz: no such file"):
        read(tmp_path)
    table(tmp_path / "gtex.gtex.LIVER.MD.gz", "smts", dict.fromkeys(LIVER, "Liver"))
    with pytest.raises(InputError, match="column 'smtsd' is missing; found rail_id, study, smts"):
        read(tmp_path)
    table(tmp_path / "gtex.gtex.LIVER.MD.gz", "gtex.smtsd", dict.fromkeys(LIVER, "Cells - Cultured fibroblasts"))
    with pytest.raises(InputError, match="no sample is left; 3 of 3 samples are left out: 3 of cultured cells"):
        read(tmp_path)
    (tmp_path / "odd.gz").write_bytes((tmp_path / "tcga.gene_sums.READ.G026.gz").read_bytes())
    with pytest.raises(InputError, match=r"expected one such as tcga\.gene_sums\.READ\.G026\.gz"):
        read(tmp_path, path="odd.gz")
    other = [name + "X" for name in ENSEMBL]
    standins.write(
        tmp_path / "gtex.gene_sums.LIVER.R109.gz",
        "\n".join(["\t".join(["gene_id", *LIVER]), *(f"{name}\t1\t1\t1" for name in other)]) + "\n",
    )
    table(tmp_path / "gtex.gtex.LIVER.MD.gz", "smtsd", dict.fromkeys(LIVER, "Liver"))
    with pytest.raises(InputError, match="give files of one annotation"):
        read(tmp_path)


def test_without_a_tissue_the_normals_of_a_project_are_left_out_and_counted(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "a").mkdir()
    for name in ("tcga.gene_sums.READ.G026.gz", "tcga.tcga.READ.MD.gz"):
        (tmp_path / name).rename(tmp_path / "a" / name)
    atlas = AtlasConfig(name="r3", reader="recount3", path="a/tcga.gene_sums.READ.G026.gz", role="replication")
    adata = read_atlas(atlas, config=Config(data_dir=str(tmp_path)))
    assert set(adata.obs["side"]) == {"tumor"}
    assert "1 normal, but atlases.r3.tissue is empty" in adata.uns["cartarget"]["notes"][0]
