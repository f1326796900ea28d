"""What a person reads of an atlas before anything runs; and the command that prints it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from cartarget.atlas import read_atlas
from cartarget.atlas.check import describe
from cartarget.config import AtlasConfig, CellLabels, Config

ROOT = Path(__file__).resolve().parents[2]
COUNTS = np.array([[3, 0, 1], [1, 2, 0], [0, 1, 5], [1, 0, 4], [2, 1, 0]], dtype=np.float32)


def cells(path: Path) -> None:
    obs = pd.DataFrame({"label": ["T", "T", "N", "N", "T"], "who": list("ABABB")}, index=[f"c{i}" for i in range(5)])
    anndata.AnnData(COUNTS, obs=obs, var=pd.DataFrame(index=["EPCAM", "MSLN", "KDR"])).write_h5ad(path)


def test_an_atlas_is_told_in_a_few_lines(tmp_path: Path) -> None:
    cells(tmp_path / "x.h5ad")
    labels = CellLabels(malignant="label", malignant_values=["T"], normal_values=["N"], donor="who")
    atlas = AtlasConfig(name="mine", reader="h5ad", path="x.h5ad", tissue="colon", labels=labels)
    lines = describe(read_atlas(atlas, config=Config(data_dir=str(tmp_path))))
    assert lines == [
        "mine: single cells; unit counts",
        "  normal: 2 cells of 2 donors, 1 each",
        "  tumor: 3 cells of 2 donors, 1–2 each",
        "  2 donors gave both",
        "  1 tissue: colon (2)",
        "  3 genes; 0 names lost or merged",
        "  batch mine (normal): depth 6, 67% of the genes detected",
        "  batch mine (tumor): depth 3, 67% of the genes detected",
        "  note: values are read from X",
        "  note: counts as given",
    ]


def call(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys\nfrom cartarget.errors import CartargetError\nfrom cartarget.cli_atlas import app\n"
        "try: app(standalone_mode=False)\nexcept CartargetError as error: sys.exit(str(error))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, timeout=120,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )  # fmt: skip


def test_the_command_prints_what_is_understood_of_a_row_of_a_sheet(tmp_path: Path) -> None:
    for name in ("config", "resources"):
        (tmp_path / name).symlink_to(ROOT / name)
    cells(tmp_path / "x.h5ad")
    header = "name\tpath\tmalignant\tmalignant_values\tnormal_values\tdonor\ttissue"
    (tmp_path / "mine.tsv").write_text(f"{header}\nmine\tx.h5ad\tlabel\tT\tN\twho\tcolon\n")
    (tmp_path / "run.yaml").write_text("name: x\nindication: read\n")
    done = call("check", "run.yaml", "--sheet", "mine.tsv", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "tumor: 3 cells of 2 donors" in done.stdout
    assert "every tissue and cell type has a tier" in done.stdout


def test_cells_that_name_no_place_are_printed(tmp_path: Path) -> None:
    for name in ("config", "resources"):
        (tmp_path / name).symlink_to(ROOT / name)
    cells(tmp_path / "x.h5ad")
    rows = [
        "name\tpath\tmalignant\tmalignant_values\tnormal_values\tdonor\ttissue",
        "mine\tx.h5ad\tlabel\tT\tN\twho\tunknown",
    ]
    (tmp_path / "mine.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "run.yaml").write_text("name: x\nindication: read\n")
    done = call("check", "run.yaml", "--sheet", "mine.tsv", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "note: normal, but neither tissue nor cell type is named: 2, of 2 donors" in done.stdout


def test_all_that_is_wrong_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    for name in ("config", "resources"):
        (tmp_path / name).symlink_to(ROOT / name)
    cells(tmp_path / "x.h5ad")
    rows = ["name\tpath\trole\tmalignant\tmalignant_values\tnormal_values\tdonor\ttissue",
            "a\tx.h5ad\tcounted\tlabl\tT\tN\twho\tcolon",
            "b\tx.h5ad\tshown\tlabel\tT\tN\twho\tcolonn"]  # fmt: skip
    (tmp_path / "mine.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "run.yaml").write_text("name: x\nindication: read\n")
    done = call("check", "run.yaml", "--sheet", "mine.tsv", folder=tmp_path)
    assert done.returncode == 1
    assert "did you mean 'label'?" in done.stderr
    assert "colonn" in done.stderr and "colon" in done.stderr
    assert (
        "no atlas 'z'; its atlases: a, b"
        in call("check", "run.yaml", "--sheet", "mine.tsv", "--only", "z", folder=tmp_path).stderr
    )


def test_the_list_names_every_atlas(tmp_path: Path) -> None:
    done = call("list", folder=ROOT)
    assert done.returncode == 0, done.stderr
    for name in ("gtex_v10 –", "tcga:VALUE –", "toil –", "VALUE: TCGA project"):
        assert name in done.stdout
