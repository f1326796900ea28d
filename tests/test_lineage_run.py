"""A run of planted bulk tumours: markers are kept and stay out of the panel, and the antigens say whose they are."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from cartarget.atlas.store import read_stored
from cartarget.config import AtlasConfig, Config
from cartarget.contracts import read_table
from cartarget.evidence.lineage import read_markers
from cartarget.run.inputs import lineage_markers, load_run, work_path
from cartarget.run.steps import run
from tests.conftest import ROOT

N = 24


def write(path, barcodes: list[str], counts: dict[str, np.ndarray]) -> None:
    lines = ["\t".join(["Hugo_Symbol", "Entrez_Gene_Id", *barcodes])]
    lines += ["\t".join([gene, "0", *(f"{value:.2f}" for value in values)]) for gene, values in counts.items()]
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


def mixed(liver: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Counts per million of mixtures of a tumour with liver."""
    noise = lambda: np.exp(rng.normal(0, 0.1, len(liver)))  # noqa: E731
    counts = {gene: 9000 * liver * noise() for gene in read_markers()["hepatocyte"]}
    counts |= {"FGA": 7000 * liver * noise(), "EPCAM": 900 * (1 - liver) * np.exp(rng.normal(0, 0.7, len(liver)))}
    counts |= {"AURKA": np.full(len(liver), 30.0) * noise()}
    return counts | {"ACTB": 1e6 - sum(counts.values())}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("planted"), np.random.default_rng(3)
    counts, liver = folder / "counts", np.exp(rng.normal(-3, 1, N)).clip(max=0.5)
    counts.mkdir()
    write(counts / "chol-rsem-count-tcga-t.txt.gz", [f"TCGA-AA-{n:04}-01A" for n in range(N)], mixed(liver, rng))
    write(
        counts / "lihc-rsem-count-tcga.txt.gz", [f"TCGA-BB-{n:04}-11A" for n in range(6)], mixed(np.ones(6) * 0.98, rng)
    )
    header = (
        "hgnc_symbol\tuniprot_surface_flag\tgo_surface_flag\thpa_surface_flag\tsurfy_surface_flag\tcspa_surface_flag"
    )
    flags = {"FGA": "1\t1\t1\t1\t1", "EPCAM": "1\t1\t1\t1\t1", "AURKA": "1\t1\t1\t1\t1", "ALB": "0\t0\t0\t0\t0"}
    (folder / "votes.tsv").write_text("\n".join([header, *(f"{gene}\t{row}" for gene, row in flags.items())]) + "\n")
    (folder / "tissues.tsv").write_text("gene\tlung\tliver\nFGA\t0\t900\nALB\t0\t9000\nEPCAM\t9\t0\n")
    (folder / "celltype.tsv").write_text("gene\tHepatocytes\tKupffer cells\nFGA\t900\t3\nEPCAM\t0\t0\n")
    for name in ("resources", "config"):
        (folder / name).symlink_to(ROOT / name)
    atlases = [
        AtlasConfig(name="bulk", reader="rsem_counts", path="counts"),
        AtlasConfig(name="hpa", reader="summary_table", path="tissues.tsv", role="normal", unit="nTPM"),
        AtlasConfig(name="types", reader="summary_table", path="celltype.tsv", role="normal", unit="nTPM"),
    ]
    config = Config(
        name="planted", indication="chol", primary="bulk", data_dir=".", atlases=atlases, surface={"votes": "votes.tsv"}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run(config, last="screen")
        yield config, read_table("antigens", config.run_dir / "antigens.parquet").set_index("symbol")


def test_the_antigens_say_whose_they_are(planted):
    _, antigens = planted
    assert antigens.loc["FGA", ["lineage", "contaminant"]].tolist() == ["hepatocyte", "contaminant?"]
    assert antigens.loc["EPCAM", "contaminant"] == ""
    assert antigens.loc["FGA", "lineage_note"].startswith(f"follows hepatocyte over {N} tumours")
    assert antigens.loc["AURKA", "gene_note"] == "proliferation"
    assert antigens.loc["FGA", "normal_lineage"].lower().startswith("hepatocyte")
    assert antigens.loc[["EPCAM", "AURKA"], "normal_lineage"].isna().all(), "zero everywhere, and not measured"


def test_markers_are_kept_in_the_tumours_atlas_and_nowhere_else(planted):
    config, antigens = planted
    bulk, summary, _ = (set(read_stored(work_path(config, atlas)).var_names) for atlas in config.atlases)
    liver = set(read_markers()["hepatocyte"])
    assert liver <= bulk and not liver & summary
    assert not liver & set(antigens.index)
    found = load_run(config)
    assert not liver & {*found.panel.symbols, *found.candidates}


def test_only_bulk_runs_keep_markers():
    assert lineage_markers(Config(primary="single_cell")) == set()
    assert "ALB" in lineage_markers(Config(primary="bulk", indication="chol"))
    assert "ALB" not in lineage_markers(Config(primary="bulk", indication="lihc"))
