"""The surface score: its parts, its rule, and what it does to real names."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.surface.gather import TOPOLOGIES, gather
from cartarget.surface.grade import STATUSES, WEIGHTS, evidence_of, grade
from cartarget.surface.locations import Stance, parse_locations, place_of, stance_of_go, stance_of_hpa
from cartarget.surface.sources import (
    experiments,
    read_accessions,
    read_cspa,
    read_helices,
    read_hpa_locations,
    read_surfy,
)
from cartarget.surface.uniprot import uniprot_table
from tests.swissprot import CELL_MEMBRANE, membrane_features, record

MUST_GO = (
    *("AURKA", "PCSK9", "SRPX2", "PDGFC", "SLIT2", "FGA", "VTN", "APOH", "LAT2", "RGS19", "SNAP25", "NEMP1"),
    *("CTNNB1", "HNRNPU", "STT3B"),
)
MUST_STAY = ("ERBB3", "NECTIN4", "MET", "CA9", "MSLN", "GPC3", "PSCA", "STEAP1", "CEACAM5", "CDH17", "CDH3")
"""Names that the evidence must put right; none of them is among the labels."""


@pytest.mark.real_data
def test_names_of_the_first_screens_are_put_right(real: pd.DataFrame) -> None:
    table = grade(real)
    kept = table["is_candidate"]
    assert [name for name in MUST_GO if kept[name]] == []
    assert [name for name in MUST_STAY if not kept[name]] == []
    reasons = table["surface_reason"]
    for name, words in {
        "PDGFC": "secreted", "SLIT2": "secreted", "FGA": "secreted", "VTN": "secreted", "APOH": "secreted",
        "LAT2": "4 residues outside", "RGS19": "inner leaflet", "CTNNB1": "inner leaflet", "SNAP25": "inner leaflet",
        "NEMP1": "nucleus", "HNRNPU": "nucleus", "STT3B": "endoplasmic reticulum", "AURKA": "cytoplasm, nucleus",
    }.items():  # fmt: skip
        assert words in reasons[name], (name, reasons[name])


@pytest.mark.real_data
def test_real_targets_stay_even_without_their_trials(real: pd.DataFrame) -> None:
    blind = grade(real.assign(experiment="", experiment_source=""))
    assert [name for name in MUST_STAY if not blind.loc[name, "is_candidate"]] == ["STEAP1"], "in none of the lists"


@pytest.mark.real_data
def test_every_clinical_target_on_the_surface_is_kept(real: pd.DataFrame) -> None:
    clinic = pd.read_csv("resources/clinical_targets.tsv", sep="\t", dtype=str)
    table = grade(real)
    lost = {name for name in clinic["symbol"] if not table.loc[name, "is_candidate"]}
    assert lost == {"HSPA5"}, "an ER chaperone, on the surface of stressed cells only; its rows are preclinical"


def votes(**columns: str) -> pd.DataFrame:
    """Votes of genes A, B, C ...: one string of 0 and 1 per source."""
    rows = {name: [mark == "1" for mark in marks] for name, marks in columns.items()}
    return pd.DataFrame(rows, index=list("ABCDEFGH")[: len(next(iter(columns.values())))])


def test_votes_that_lean_on_each_other_count_once() -> None:
    table = grade(gather("ABC", votes=votes(uniprot="101", go="011")))
    assert table["surface_score"].nunique() == 1


def test_what_is_missing_adds_nothing() -> None:
    table = grade(gather(["X"]))
    assert table.loc["X", "surface_score"] == WEIGHTS["base"]
    assert table.loc["X", "surface_status"] == "unknown" and not table.loc["X", "is_candidate"]
    assert table.loc["X", "topology"] == "unknown"
    assert (
        gather(["NEW"], votes=votes(uniprot="1"), topology=strings(A="NC:1-50;TM:51-70"))["topology"].item()
        == "unknown"
    )


def strings(**texts: str) -> pd.DataFrame:
    from cartarget.surface.topology import longest_outside, parse_topology

    rows = [(name, text, longest_outside(parse_topology(text))) for name, text in texts.items()]
    return pd.DataFrame(rows, columns=["symbol", "topology", "n_residues_outside"]).astype(
        {"n_residues_outside": "Int64"}
    )


def test_topology_from_strings() -> None:
    table = gather(
        "ABCDE",
        votes=votes(surfy="11010"),
        topology=strings(
            A="SP:1-20;NC:21-50;TM:51-70;CY:71-90",
            B="NC:1-29;TM:30-50;CY:51-60",
            C="SP:1-20;NC:21-90",
            D="SP:1-20;NC:21-90",
        ),
    )
    assert table["topology"].tolist() == ["outside", "short", "no anchor", "outside", "not found"]
    assert table["n_residues_outside"].tolist()[:4] == [30, 29, 70, 70]


def test_thirty_residues_are_enough_and_twenty_nine_are_not() -> None:
    given_votes = votes(uniprot="11", go="11", surfy="11", cspa="11", hpa="11")
    table = grade(gather("AB", votes=given_votes, topology=strings(A="NC:1-30;TM:31-50", B="NC:1-29;TM:30-50")))
    assert table["is_candidate"].tolist() == [True, False]
    assert "29 residues outside" in table.loc["B", "surface_reason"]


def test_spans_that_face_a_lumen_stand_before_surfy() -> None:
    helices = pd.DataFrame(
        {"n_spans": 13, "n_residues_outside": pd.array([86], "Int64"), "is_lumen": True}, index=["A"]
    )
    table = gather(["A"], topology=strings(A="CY:1-69;TM:70-90;NC:91-165"), helices=helices)
    assert table.loc["A", ["topology", "topology_source"]].tolist() == ["lumen", "spans"]


def test_surfys_stretch_of_a_protein_of_the_er_is_not_outside() -> None:
    stretch = strings(A="CY:1-69;TM:70-90;NC:91-165", B="CY:1-69;TM:70-90;NC:91-165", C="CY:1-69;TM:70-90;NC:91-165")
    hpa = pd.DataFrame(
        {
            "hpa_surface": [0.0, 0.0, 0.0],
            "hpa_elsewhere": [1.0, 1.0, 0.0],
            "hpa_where": ["endoplasmic reticulum", "endoplasmic reticulum", ""],
            "is_predicted_secreted": False,
        },
        index=list("ABC"),
    )
    table = gather("ABC", votes=votes(uniprot="010", surfy="111"), topology=stretch, hpa=hpa)
    assert table["topology"].tolist() == ["lumen", "outside", "outside"], "B is placed at the membrane by UniProt too"


def test_records_stand_before_everything(tmp_path: Path) -> None:
    file = tmp_path / "human.txt"
    inner = f"{CELL_MEMBRANE}; Lipid-anchor; Cytoplasmic side."
    file.write_text(
        record(
            "P1",
            gene="A",
            length=300,
            features=membrane_features("NC:1-200;TM:201-221;CY:222-300"),
            location=f"{CELL_MEMBRANE}.",
        )
        + record("P2", gene="B", length=189, location=inner)
        + record(
            "P3",
            gene="C",
            length=300,
            features=membrane_features("SP:1-20"),
            location="Secreted {ECO:0000269|PubMed:1}.",
        )
        + record(
            "P4",
            gene="D",
            length=300,
            features=membrane_features("LU:1-200;TM:201-221;CY:222-300"),
            location="Golgi apparatus membrane.",
        )
        + record(
            "P5",
            gene="E",
            length=60,
            features=[*membrane_features("NC:1-28;TM:29-49;CY:50-60"), ("DOMAIN", "2..27", "Knot")],
            location=f"{CELL_MEMBRANE}.",
        )
    )
    table = grade(gather("ABCDE", votes=votes(uniprot="11111", go="11111", surfy="11111"), uniprot=uniprot_table(file)))
    assert table["topology"].tolist() == ["outside", "no anchor", "no anchor", "lumen", "outside"]
    assert table["annotation"].tolist() == [1.0, 0.0, 0.0, 0.0, 1.0]
    assert table["is_candidate"].tolist() == [True, False, False, False, True]
    assert table.loc["C", "surface_reason"].startswith("secreted")
    assert "Golgi" in table.loc["D", "surface_reason"]
    assert "inner leaflet" in table.loc["B", "surface_reason"]


def test_an_experiment_overrules_and_says_so() -> None:
    tried = experiments(
        rescue=pd.DataFrame({"symbol": ["B"], "reason": ["seen by flow cytometry"], "source": ["PMID:1"]}),
        clinic=pd.DataFrame(
            {
                "symbol": ["A", "C"],
                "modality": "CAR T",
                "status": ["phase 1", "preclinical"],
                "source": ["NCT00000001", "PMID:2"],
            }
        ),
    )
    table = grade(gather("ABC", votes=votes(uniprot="000"), experiment=tried))
    assert table["surface_status"].tolist() == ["experiment", "experiment", "not surface"]
    assert table.loc["A", "surface_reason"] == "kept by experiment: CAR T in patients (NCT00000001)"


def test_a_users_own_table_is_taken_at_its_word() -> None:
    table = grade(gather("AB", votes=votes(flow="10", proteomics="00")))
    assert table["is_candidate"].tolist() == [True, False]


def test_the_record_of_one_gene_adds_up() -> None:
    graded = grade(
        gather("A", votes=votes(uniprot="1", surfy="1", hpa="1", cspa="1"), topology=strings(A="NC:1-90;TM:91-110"))
    )
    found = evidence_of(graded.loc["A"])
    assert found.is_candidate and found.status == "surface"
    assert found.score == pytest.approx(WEIGHTS["base"] + sum(part.points for part in found.parts))
    assert {part.name for part in found.parts} == {
        "annotation",
        "imaging",
        "prediction",
        "capture",
        "other",
        "topology",
    }
    with pytest.raises(AttributeError):
        found.score = 0.0  # type: ignore[misc]


SHARE = st.one_of(st.just(float("nan")), st.sampled_from([0.0, 0.25, 0.5, 1.0]))


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(list(WEIGHTS)[1:8]), SHARE), st.sampled_from(TOPOLOGIES), st.booleans())
def test_support_never_harms_and_the_frame_is_left_alone(shares: dict[str, float], topology: str, tried: bool) -> None:
    row = gather(["X"]).assign(topology=topology, experiment="bound in patients" if tried else "", **shares)
    before = row.copy()
    table = grade(row)
    pd.testing.assert_frame_equal(row, before)
    assert table["surface_status"].item() in STATUSES
    assert table["is_candidate"].item() == (table["surface_status"].item() in ("experiment", "surface"))
    for name in ("annotation", "imaging", "prediction", "capture", "other"):
        more = grade(row.assign(**{name: 1.0}))
        assert more["surface_score"].item() >= table["surface_score"].item() or row[name].item() == 1.0
        assert more["is_candidate"].item() >= table["is_candidate"].item()
    for name in ("against_annotation", "against_imaging"):
        assert grade(row.assign(**{name: 1.0}))["surface_score"].item() <= table["surface_score"].item() + 1e-9


def test_hpa_says_where_and_prediction_of_secretion_is_no_observation(tmp_path: Path) -> None:
    file = tmp_path / "hpa.tsv"
    heads = "Gene\tGene name\tReliability\tMain location\tAdditional location\tExtracellular location"
    rows = [
        "ENSG1\tNECTIN4\tSupported\tPlasma membrane\t\tPredicted to be secreted",
        "ENSG2\tFGA\tEnhanced\tEndoplasmic reticulum\t\tPredicted to be secreted",
        "ENSG3\tODD\tUncertain\tNucleoplasm\t\t",
    ]
    file.write_text("\n".join([heads, *rows]))
    found = read_hpa_locations(file)
    assert found.loc["NECTIN4", ["hpa_surface", "hpa_elsewhere"]].tolist() == [1.0, 0.0]
    assert found.loc["FGA", ["hpa_surface", "hpa_elsewhere", "hpa_where"]].tolist() == [
        0.0,
        1.0,
        "endoplasmic reticulum",
    ]
    assert found.loc["ODD", ["hpa_elsewhere", "hpa_where"]].tolist() == [0.0, ""]
    assert found["is_predicted_secreted"].tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("Cell membrane", "plasma membrane"),
        ("Apical cell membrane", "plasma membrane"),
        ("Cell junction, tight junction", "plasma membrane"),
        ("Cell projection, cilium membrane", "plasma membrane"),
        ("Cytoplasmic vesicle membrane", "vesicle"),
        ("Golgi apparatus, trans-Golgi network membrane", "Golgi apparatus"),
        ("Cytoplasm, perinuclear region", "cytoplasm"),
        ("Nucleus inner membrane", "nucleus"),
        ("Mitochondrion outer membrane", "mitochondrion"),
        ("Secreted, extracellular space, extracellular matrix", "secreted"),
        ("Focal adhesion sites", "cytoplasm"),
        ("Cleavage furrow", ""),
        ("Membrane", ""),
    ],
)
def test_places(words: str, place: str) -> None:
    assert place_of(words) == place


def test_locations_with_isoforms_and_notes() -> None:
    found = parse_locations(
        "[Isoform 2]: Secreted {ECO:0000269|PubMed:1, ECO:0000305}. Note=Shed into plasma. Cell membrane."
    )
    assert [(each.words, each.isoform, each.weight) for each in found] == [("Secreted", "Isoform 2", 1.0)]
    assert parse_locations("") == ()


def test_go_without_machines() -> None:
    assert stance_of_go([("plasma membrane", "IEA:Ensembl"), ("membrane", "IDA")]) == Stance()
    inner = stance_of_go([("cytoplasmic side of plasma membrane", "IDA:X")])
    assert inner == Stance(0.0, 1.0, ("inner leaflet",))


def test_additional_locations_weigh_half() -> None:
    assert stance_of_hpa(main="", additional="Plasma membrane;Vesicles", reliability="Approved") == Stance(
        0.25, 0.25, ("vesicle",)
    )


def test_cspa_takes_the_best_category_of_a_gene(tmp_path: Path) -> None:
    file = tmp_path / "cspa.tsv"
    heads = "organism\tCSPA category\tENTREZ gene symbol\tENTREZ_gene_ID\n"
    file.write_text(heads + "Human\t3 - unspecific\tA\t1.0\nHuman\t1 - high confidence\tA\t1.0\nMouse\t1 - x\tB\t2.0\n")
    assert read_cspa(file)["capture"].to_dict() == {"A": 1.0}
    file.write_text(heads + "Human\tgood\tA\t1.0\n")
    with pytest.raises(InputError, match="line 2: category 'good'"):
        read_cspa(file)


def test_spans_with_an_open_end(tmp_path: Path) -> None:
    file = tmp_path / "spans.csv"
    heads = (
        "UniProt ID, TMH start position, TMH end position, N-terminal starting side, Database source, "
        "N-terminal starting subcellular location"
    )
    rows = [
        "P1, 20, 40, Inside, UniProt, Cytoplasmic",
        "P2, 5, 26, Outside, UniProt, Extracellular",
        "P3, 20, 40, Inside, UniProt, Cytoplasmic",
        "P3, 90, 110, Outside, UniProt, Extracellular",
        "P4, 20, 40, Outside, UniProt, Lumenal",
        "P5, 20, 40, Outside, TOPDB, Extracellular",
        "P6, 20, 40, , UniProt, Extracellular",
    ]
    file.write_text("\n".join([heads, *rows]))
    found = read_helices(file, accession=pd.Series({f"P{n}": f"G{n}" for n in range(1, 7)}))
    assert found["n_residues_outside"].tolist() == [pd.NA, 4, 49, 19]
    assert found["is_lumen"].tolist() == [False, False, False, True]
    assert gather(["G1", "G2", "G3", "G4"], helices=found)["topology"].tolist() == ["open", "short", "outside", "lumen"]


def test_surfy_is_graded_by_its_own_confidence(tmp_path: Path) -> None:
    file = tmp_path / "surfy.tsv"
    heads = (
        "UniProt gene\tSurfaceome Label\tSurfaceome Label Source\tMachineLearning FPR class (1=1%, 2=5%, 3=15%)\t"
        "UniProt subcellular\n"
    )
    rows = [
        "SURE\tsurface\tmachine learning\t1\tCell membrane (Multi-pass membrane protein)",
        "DOUBT\tsurface\tmachine learning\t2\t",
        "TRAINED\tsurface\tpos. trainingset\t3\tSecreted",
        "INSIDE\tnonsurface\tmachine learning\t\tNucleus",
    ]
    file.write_text(heads + "\n".join(rows))
    found = read_surfy(file)
    assert found["prediction"].to_dict() == {"SURE": 1.0, "DOUBT": 0.5, "TRAINED": 1.0, "INSIDE": 0.0}
    assert found["uniprot_surface"].isna().to_dict()["DOUBT"]


@pytest.mark.parametrize("read", [read_hpa_locations, read_cspa, read_surfy, read_accessions])
def test_tables_without_their_columns_are_refused(tmp_path: Path, read: object) -> None:
    file = tmp_path / "odd.tsv"
    file.write_text("nothing\tof\tthis\n1\t2\t3\n")
    with pytest.raises(InputError, match=r"odd.tsv: (no )?column"):
        read(file)  # type: ignore[operator]
    with pytest.raises(InputError, match=r"absent.tsv: no such file"):
        read(tmp_path / "absent.tsv")  # type: ignore[operator]
