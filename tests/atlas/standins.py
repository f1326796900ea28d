"""Small stand-ins of public files: names, headers, ids, compression and quirks of the real ones, made-up numbers."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np

from tests import swissprot

GENES = {
    "CEACAM5": ("ENSG00000105388.14", 1048), "EPCAM": ("ENSG00000119888.10", 4072),
    "GUCY2C": ("ENSG00000070019.4", 2984),
    "CDH17": ("ENSG00000079112.9", 1015), "MSLN": ("ENSG00000102854.14", 10232), "ERBB2": ("ENSG00000141736.13", 2064),
    "CLDN18": ("ENSG00000066405.12", 51208), "GPC3": ("ENSG00000147257.13", 2719), "LGR5": ("ENSG00000139292.12", 8549),
    "PTPRC": ("ENSG00000081237.18", 5788), "ACTB": ("ENSG00000075624.13", 60), "GAPDH": ("ENSG00000111640.14", 2597),
    "ALB": ("ENSG00000163631.16", 213), "TTN": ("ENSG00000155657.25", 7273), "MYH7": ("ENSG00000092054.12", 4625),
}  # fmt: skip
"""Symbol → Ensembl id with version, Entrez id."""

INSIDE = ("ACTB", "GAPDH", "TTN", "MYH7", "ALB")
"""Those that are not on the cell surface."""

GTEX = (
    "Adipose - Subcutaneous", "Artery - Aorta", "Brain - Cortex", "Brain - Spinal Cord (Cervical C-1)",
    "Breast - Mammary Tissue", "Cells - Ebv-Transformed Lymphocytes", "Colon - Sigmoid", "Esophagus - Mucosa",
    "Heart - Left Ventricle", "Kidney - Cortex", "Liver", "Lung", "Minor Salivary Gland", "Pancreas",
    "Skin - Sun Exposed (Lower Leg)", "Small Intestine - Terminal Ileum", "Stomach", "Whole Blood",
)  # fmt: skip
HEADER = (
    "sample",
    "detailed_category",
    "primary disease or tissue",
    "_primary_site",
    "_sample_type",
    "_gender",
    "_study",
)


def toil_samples(*, n_tumors: int = 12, n_donors: int = 6) -> list[tuple[str, ...]]:
    """Rows of the Toil hub's table of samples: tumours, normals, metastases, TARGET, cell lines and all."""
    read = ("Rectum Adenocarcinoma", "Rectum Adenocarcinoma", "Rectum")
    rows = [(f"TCGA-AF-{i:04d}-01", *read, "Primary Tumor", "Male", "TCGA") for i in range(n_tumors)]
    rows += [(f"TCGA-AF-{i:04d}-11", *read, "Solid Tissue Normal", "Male", "TCGA") for i in range(4)]
    rows += [("TCGA-AF-0000-02", *read, "Recurrent Tumor", "Male", "TCGA")]
    skin = ("Skin Cutaneous Melanoma", "Skin Cutaneous Melanoma", "Skin")
    rows += [(f"TCGA-EB-{i:04d}-06", *skin, "Metastatic", "Female", "TCGA") for i in range(3)]
    rows += [("TCGA-EB-0009-01", *skin, "Primary Tumor", "Female", "TCGA")]
    blood = ("Acute Lymphoblastic Leukemia", "Acute Lymphoblastic Leukemia", "White blood cell")
    rows += [("TARGET-10-PANSYA-09", *blood, "Primary Blood Derived Cancer - Bone Marrow", "Male", "TARGET")]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for number, tissue in enumerate(GTEX):
        kind = "Cell Line" if tissue.startswith("Cells") else "Normal Tissue"
        site = tissue.split(" - ")[0]
        for donor in range(n_donors):
            sample = f"GTEX-11{letters[donor]}A-{number:02d}26-SM-5{letters[number % 26]}9{donor}"
            rows.append((sample, tissue, tissue, site, kind, "Female", "GTEX"))
    rows += [("K-562-SM-26GMQ", "Cells - Leukemia Cell Line (Cml)", "Cells - Leukemia Cell Line (Cml)", "Bone Marrow",
              "Cell Line", "", "GTEX")]  # fmt: skip
    return rows


def toil_counts(rows: list[tuple[str, ...]], *, seed: int = 0) -> np.ndarray:
    """Expected counts, genes × samples: the gut's genes in rectal tumours, each organ's in the organ."""
    draws = np.random.default_rng(seed)
    counts = draws.gamma(2.0, 300.0, size=(len(GENES), len(rows)))
    symbols = list(GENES)
    for column, row in enumerate(rows):
        is_gut = row[3] in ("Rectum", "Colon", "Small Intestine")
        for gene in ("CEACAM5", "EPCAM", "GUCY2C", "CDH17", "LGR5"):
            counts[symbols.index(gene), column] *= 30 if is_gut else 0.001
        for gene, place in (("ALB", "Liver"), ("MYH7", "Heart"), ("CLDN18", "Stomach"), ("GPC3", "Adipose")):
            counts[symbols.index(gene), column] *= 30 if row[3].startswith(place) else 0.001
    counts[symbols.index("ACTB")] += 60_000
    return np.round(counts, 2)


def xena(path: Path, counts: np.ndarray, samples: list[str], *, shift: float = 1.0, first: str = "sample") -> None:
    """A Xena matrix: log2(x + shift) in four digits, Ensembl ids with versions."""
    lines = ["\t".join([first, *samples])]
    for (ensembl, _), row in zip(GENES.values(), np.log2(counts + shift), strict=True):
        lines.append("\t".join([ensembl, *(f"{value:.4f}" for value in row)]))
    write(path, "\n".join(lines) + "\n")


def phenotype(path: Path, rows: list[tuple[str, ...]]) -> None:
    """Toil's table of samples, in Latin-1."""
    text = "\n".join("\t".join(row) for row in [HEADER, *rows]) + "\n"
    write(path, text, encoding="latin-1")


def gct(path: Path, values: np.ndarray, columns: list[str], *, version: str = "1.2") -> None:
    """A GCT file; 1.3 carries one annotation per row and one per column."""
    lines = [f"#{version}"]
    if version == "1.2":
        lines += [f"{len(values)}\t{len(columns)}", "\t".join(["Name", "Description", *columns])]
    else:
        lines += [f"{len(values)}\t{len(columns)}\t1\t1", "\t".join(["id", "symbol", *columns])]
        lines += ["\t".join(["batch", "na", *("b1" for _ in columns)])]
    for (symbol, (ensembl, _)), row in zip(GENES.items(), values, strict=True):
        lines.append("\t".join([ensembl, symbol, *(f"{value:.6g}" for value in row)]))
    write(path, "\n".join(lines) + "\n")


def write(path: Path, text: str, *, encoding: str = "utf-8") -> None:
    """Text as the name asks: gzip for `.gz`, one file in a zip for `.zip`, else plain."""
    data = text.encode(encoding)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    elif path.suffix == ".zip":
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(path.name.removesuffix(".zip")), data)
        data = held.getvalue()
    path.write_bytes(data)


def hpa_consensus(path: Path, *, place: str = "Tissue", places: tuple[str, ...] = ()) -> None:
    """HPA's consensus (or single-cell type) table, one row per gene and place."""
    places = places or (
        "adipose tissue",
        "bone marrow",
        "cerebral cortex",
        "heart muscle",
        "liver",
        "lung",
        "stomach 1",
    )
    lines = [f"Gene\tGene name\t{place}\tnTPM"]
    for number, (symbol, (ensembl, _)) in enumerate(GENES.items()):
        lines += [f"{ensembl.split('.')[0]}\t{symbol}\t{name}\t{(number * 7 + at * 3) % 40 / 10:.1f}" for at, name in
                  enumerate(places)]  # fmt: skip
    write(path, "\n".join(lines) + "\n")


def hpa_ihc(path: Path) -> None:
    """HPA's stains of normal tissue."""
    lines = ["Gene\tGene name\tTissue\tCell type\tLevel\tReliability"]
    for symbol in ("ERBB2", "EPCAM", "CEACAM5"):
        ensembl = GENES[symbol][0].split(".")[0]
        for tissue, cell in (
            ("Colon", "glandular cells"),
            ("Liver", "hepatocytes"),
            ("Heart muscle", "cardiomyocytes"),
        ):
            level = "High" if tissue == "Colon" else "Not detected"
            lines.append(f"{ensembl}\t{symbol}\t{tissue}\t{cell}\t{level}\tEnhanced")
    write(path, "\n".join(lines) + "\n")


def hpa_locations(path: Path) -> None:
    """HPA's subcellular locations."""
    lines = ["Gene\tGene name\tReliability\tMain location\tAdditional location\tExtracellular location"]
    for symbol in GENES:
        where = "Cytosol" if symbol in INSIDE else "Plasma membrane"
        lines.append(f"{GENES[symbol][0].split('.')[0]}\t{symbol}\tEnhanced\t{where}\t\t")
    write(path, "\n".join(lines) + "\n")


def uniprot(path: Path) -> None:
    """UniProt records: those that HPA sees at the plasma membrane span it, with 300 residues outside."""
    records = []
    for number, symbol in enumerate(GENES):
        inside = symbol in INSIDE
        span = [("SIGNAL", "1..20", ""), ("TOPO_DOM", "21..320", "Extracellular"), ("TRANSMEM", "321..341", "Helical")]
        records.append(
            swissprot.record(
                f"P{number:05d}", gene=symbol, features=[] if inside else span,
                location="Cytoplasm {ECO:0000269|PubMed:1}" if inside else swissprot.CELL_MEMBRANE,
            )
        )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as text:
        text.writelines(records)


def hpa_cancer(path: Path) -> None:
    """HPA's stains of cancers: patients by level, and p values that nobody asked for."""
    lines = [
        "Gene\tGene name\tCancer\tHigh\tMedium\tLow\tNot detected\tprognostic - favorable\tunprognostic - favorable\t"
        "prognostic - unfavorable\tunprognostic - unfavorable"
    ]
    for symbol in ("EPCAM", "CEACAM5", "ERBB2"):
        ensembl = GENES[symbol][0].split(".")[0]
        lines.append(f"{ensembl}\t{symbol}\tcolorectal cancer\t6\t3\t2\t1\t\t0.07712\t\t")
        lines.append(f"{ensembl}\t{symbol}\tmelanoma\t0\t0\t1\t11\t\t\t\t0.3")
    write(path, "\n".join(lines) + "\n")
