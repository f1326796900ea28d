"""The inputs of a run as its steps find them: the evidence panel, surface evidence, controls, atlases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.files import matching, resource
from cartarget.indications import Indication, read_indication, read_indications
from cartarget.selection.ranking import NEGATIVE

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.evidence.panel import Panel
    from cartarget.evidence.part import Part
    from cartarget.genes import GeneTable
    from cartarget.safety.tiers import Tiers

CONTROLS = "resources/controls.tsv"
INDICATIONS = "resources/indications.tsv"
STREAMED = ("xena", "gct", "recount3")
"""Readers of files so large that only the genes wanted are kept; they tell the names of all."""


class Atlases(Mapping[str, "AnnData"]):
    """The atlases of a run by name, harmonised, patients numbered; one not held is read when it is asked for."""

    def __init__(
        self,
        config: Config,
        tiers: Tiers,
        origin: Sequence[str],
        *,
        patients: Mapping[str, str] | None = None,
        held: Mapping[str, AnnData] | None = None,
    ) -> None:
        self._config, self._tiers, self._origin, self._patients = config, tiers, origin, patients or {}
        self._asked = {atlas.name: atlas for atlas in config.used_atlases}
        self._held: dict[str, AnnData] = dict(held or {})

    def __getitem__(self, name: str) -> AnnData:
        if name not in self._held:
            from cartarget.atlas.harmonise import harmonise
            from cartarget.atlas.store import read_stored
            from cartarget.evidence.names import number_patients

            path = work_path(self._config, self._asked[name])
            if not path.exists():
                raise InputError(f"{path}: not there yet; run the read step first (`cartarget run` does all steps)")
            adata = harmonise(read_stored(path), tiers=self._tiers, origin=self._origin)
            number_patients(adata, names=self._patients)
            self._held[name] = adata
        return self._held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._asked)

    def __len__(self) -> int:
        return len(self._asked)

    def of_role(self, role: str) -> list[AnnData]:
        """The atlases of a role."""
        return [self[name] for name, asked in self._asked.items() if asked.role == role]


@dataclass(frozen=True, eq=False)
class Run:
    """What every step after counting starts from.

    `panel` holds all that was counted; `parts` the counted atlases; `atlases` each atlas harmonised, read when it is
    asked for; `summaries` (in the run's unit) those of normal tissue; `surface` the surface evidence of every gene of
    the tumour's atlas; `primary` is the first atlas whose tumours order the ranking; `rare_unmeasured` names vital
    tissues and cell types that no atlas of the run measures; `outside` holds the parts of proteins outside the cell.
    """

    panel: Panel
    parts: list[Part]
    surface: pd.DataFrame
    controls: pd.DataFrame
    candidates: list[str]
    atlases: Atlases
    summaries: list[AnnData]
    tiers: Tiers
    indication: Indication
    origin: tuple[str, ...]
    primary: str
    rare_unmeasured: str
    outside: Mapping[str, str]

    @property
    def cells(self) -> list[AnnData]:
        """Atlases of cells, those whose tumours order the ranking first: counted ones, then those that are shown."""
        counted = [part.atlas for part in self.parts if part.kind == "cells"]
        counted.sort(key=lambda name: name != self.primary)
        return [*(self.atlases[name] for name in counted), *self.atlases.of_role("shown")]

    @property
    def files(self) -> list[dict[str, str]]:
        """Every file that a reader read, with its checksum."""
        return [record for adata in self.atlases.values() for record in adata.uns["cartarget"]["files"]]


def work_path(config: Config, atlas: AtlasConfig) -> Path:
    """Where a read atlas lies between the steps."""
    return config.run_dir / "work" / f"{atlas.name}.h5ad"


def counted_atlases(config: Config) -> list[AtlasConfig]:
    """The atlases of a run that are counted."""
    return [atlas for atlas in config.used_atlases if atlas.role == "counted"]


def part_path(config: Config, atlas: AtlasConfig) -> Path:
    """Where a counted atlas lies in the evidence store."""
    return config.run_dir / "work" / "evidence" / atlas.name


def resource_paths(config: Config) -> list[str]:
    """The tables, other than atlases, that a run reads."""
    from cartarget.atlas.registry import READERS
    from cartarget.evidence.lineage import MARKERS, NOTES
    from cartarget.evidence.rna_protein import calibration_paths
    from cartarget.run.isoforms import ISOFORMS
    from cartarget.safety.density import DENSITIES
    from cartarget.safety.toxicity import EVENTS, TARGETS
    from cartarget.selection.hardware import HARDWARE

    own = [config.tiers, INDICATIONS, CONTROLS, config.surface.rescue, config.surface.derived]
    surface = config.surface
    named = (config.genes.table, *surface.files.values(), *surface.relatives.values(), *surface.proteins.values())
    given = [config.data(path).as_posix() for path in named if path]
    if config.needs_surfaceome:
        from cartarget.surface.candidates import installed_surfaceome

        given.append(installed_surfaceome().as_posix())
    given += [path.as_posix() for path in calibration_paths()]
    looked_up = {table for atlas in config.used_atlases for table in READERS[atlas.reader].tables}
    facts = (TARGETS, EVENTS, MARKERS, NOTES, ISOFORMS, DENSITIES, HARDWARE)
    tables: list[str | Path] = [*own, *sorted(looked_up), *facts]
    return [*(resource(table).as_posix() for table in tables), *given]


def input_paths(config: Config) -> list[str]:
    """Every file that a run reads: its atlases' and its tables.

    A folder stands for its files (zarr: at any depth), a pattern for those that it matches.
    """
    found: list[str] = []
    for atlas in config.used_atlases:
        inner = "**/*" if atlas.reader == "zarr" else "*"
        for path in (atlas.path, atlas.samples, atlas.locations, atlas.purity, atlas.transcripts, atlas.background):
            for named in (matching(config.data(path)) or [config.data(path)]) if path else ():
                found += sorted(p.as_posix() for p in named.glob(inner) if p.is_file()) or [named.as_posix()]
    return [*found, *resource_paths(config)]


def read_controls(config: Config) -> pd.DataFrame:
    """Control genes that apply to the run's indication: `symbol`, `kind`, `reason`, `source`."""
    frame = pd.read_csv(resource(CONTROLS), sep="\t", dtype=str, keep_default_na=False)
    mine = frame["indication"].map(lambda cell: not cell or config.indication in cell.split("|"))
    return frame[mine].reset_index(drop=True)


def surface_sources(config: Config, *, genes: GeneTable | None) -> dict[str, pd.DataFrame] | None:
    """The surface evidence that a run names; None: every gene may be an antigen."""
    from cartarget.safety.toxicity import read_clinical_targets
    from cartarget.surface.candidates import read_sources
    from cartarget.surface.votes import read_rescue

    if config.ranks_every_gene:
        return None
    return read_sources(
        **{key: config.data(path) for key, path in config.surface.files.items()},
        rescue=read_rescue(config.surface.rescue),
        clinic=read_clinical_targets(),
        genes=genes,
    )


def wanted_symbols(config: Config, *, sources: Mapping[str, pd.DataFrame] | None) -> set[str] | None:
    """Genes that a run may need, where surface evidence tells them; None: all."""
    from cartarget.surface.candidates import candidates

    if sources is None:
        return None
    table = candidates(sources=sources, min_score=config.surface.min_score)
    asked = {*table.loc[table["is_candidate"], "symbol"], *read_controls(config)["symbol"]}
    return asked | lineage_markers(config)


def lineage_markers(config: Config) -> set[str]:
    """Markers by which a run of bulk tumours tells whose a signal is; none where cells order the ranking."""
    from cartarget.evidence.lineage import read_markers

    if config.primary != "bulk":
        return set()
    return {gene for genes in read_markers(indication=config.indication).values() for gene in genes}


def indication_of(config: Config) -> Indication:
    """The run's indication: a row of the table, or the configuration's own, which names its `origin`.

    Raises
    ------
    InputError
        The table has no such row, and the configuration names no origin.

    Examples
    --------
    >>> from cartarget.config import parse_config
    >>> indication_of(parse_config({"indication": "chordoma", "origin": ["spinal cord"]})).origin
    ('spinal cord',)
    """
    if config.origin and config.indication not in read_indications(INDICATIONS):
        name = config.title or config.indication.replace("_", " ")
        return Indication(config.indication, name, tuple(config.origin), config.sex or "", (), "the configuration")
    return read_indication(config.indication, path=INDICATIONS)


def place_of(config: Config) -> tuple[Indication, tuple[str, ...], Tiers]:
    """The run's indication, the tissues from which its tumour arises, and the tier table for its patients."""
    from cartarget.safety.tiers import read_tiers

    indication = indication_of(config)
    origin = tuple(config.origin or indication.origin)
    return indication, origin, read_tiers(config.tiers).for_sex(config.sex or indication.sex)


def run_symbols(config: Config) -> tuple[pd.DataFrame, pd.DataFrame, list[str], list[str]]:
    """Surface evidence, controls, candidates, and all antigens of the panel.

    The panel holds candidates, negative controls, and derived antigens that are one candidate gene under another name.
    """
    return symbols_of(config, pd.read_parquet(config.run_dir / "work" / "genes.parquet"))


def symbols_of(config: Config, surface: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, list[str], list[str]]:
    """As `run_symbols`, from the surface evidence of every gene of the tumour's atlas."""
    controls = read_controls(config)
    candidates = surface.loc[surface["is_candidate"], "symbol"].tolist()
    negative = set(controls.loc[controls["kind"].isin(NEGATIVE), "symbol"]) - set(candidates)
    held = set(surface.loc[surface["is_whole"], "symbol"])
    renamed = set(surface.loc[surface["derived"].notna(), "symbol"]) - set(candidates)
    return surface, controls, candidates, candidates + sorted((negative | renamed) & held)


def outside_path(config: Config) -> Path:
    """Where the read step leaves the parts of proteins outside the cell."""
    return config.run_dir / "work" / "outside.parquet"


def load_run(config: Config) -> Run:
    """Bring what the count step left onto one panel.

    Raises
    ------
    InputError
        An earlier step has not been done, a tissue is not in the tier table, or no tumour can order the ranking.
    """
    from cartarget.evidence.names import patient_names
    from cartarget.evidence.store import read_part

    indication, origin, tiers = place_of(config)
    parts = [read_part(part_path(config, atlas)) for atlas in counted_atlases(config)]
    atlases = Atlases(config, tiers, origin, patients=patient_names(parts))
    surface = pd.read_parquet(config.run_dir / "work" / "genes.parquet")
    outside = pd.read_parquet(outside_path(config))
    return build_run(
        config,
        parts=parts,
        surface=surface,
        atlases=atlases,
        place=(indication, origin, tiers),
        outside=dict(zip(outside["symbol"], outside["outside"], strict=True)),
    )


def build_run(
    config: Config,
    *,
    parts: list[Part],
    surface: pd.DataFrame,
    atlases: Atlases,
    place: tuple[Indication, tuple[str, ...], Tiers],
    outside: Mapping[str, str] | None = None,
) -> Run:
    """Bring counted atlases onto one panel.

    Parameters
    ----------
    config
        The run.
    parts
        Its counted atlases.
    surface
        Surface evidence of every gene of the tumour's atlas.
    atlases
        All atlases, harmonised.
    place
        Indication, tissues of origin and tier table, as `place_of` gives them.
    outside
        Gene → sequence of its protein's part outside the cell, for twins. None: not known.

    Raises
    ------
    InputError
        No tumour can order the ranking.
    """
    from cartarget.evidence.panel import build_panel
    from cartarget.run.deriving import with_inherited_harm
    from cartarget.safety.beside import harm_unmeasured
    from cartarget.safety.toxicity import read_toxicity

    indication, origin, tiers = place
    _, controls, candidates, symbols = symbols_of(config, surface)
    primary = primary_of(parts, config)
    summaries = _one_scale(atlases, primary, parts)
    panel = build_panel(
        parts,
        symbols=symbols,
        **place_keys(tiers, origin),
        summaries=summaries,
        proteins=atlases.of_role("protein"),
        bulk=config.thresholds.bulk,
        count=config.thresholds.count,
        protein=config.thresholds.protein,
        primary=config.primary,
    )
    events = with_inherited_harm(read_toxicity(tiers=tiers), surface)
    panel = replace(panel, harmed=harm_unmeasured(panel, events))
    return Run(
        panel=panel,
        parts=parts,
        surface=surface,
        controls=controls,
        candidates=candidates,
        atlases=atlases,
        summaries=summaries,
        tiers=tiers,
        indication=indication,
        origin=origin,
        primary=primary.atlas,
        rare_unmeasured=_rare_unmeasured(panel, tiers),
        outside=outside or {},
    )


def place_keys(tiers: Tiers, origin: Sequence[str]) -> dict[str, Any]:
    """What `build_panel` must know of places: what is required, where an organ may stand in, and the origin."""
    return {
        "required": (*tiers.required, *tiers.required_cell_types),
        "stand_in": tiers.stand_in,
        "origin": sorted({place.tissue for name in origin if (place := tiers.find(name)) is not None}),
    }


def primary_of(parts: Sequence[Part], config: Config) -> Part:
    """The first counted atlas whose tumours order the ranking.

    Raises
    ------
    InputError
        No counted atlas holds tumour of the kind that `primary` asks for.
    """
    from cartarget.evidence.join import ranking_kind

    kind = ranking_kind(parts, config.primary)
    return next(part for part in parts if part.kind == kind and part.holds_tumor)


def _one_scale(atlases: Atlases, primary: Part, parts: Sequence[Part]) -> list[AnnData]:
    """Summaries in CPM where bulk samples of normal tissue tell how their unit relates to it; else as they are."""
    from cartarget.atlas.scale import to_scale
    from cartarget.evidence.derived import renewed

    summaries = atlases.of_role("normal")
    ordered = [primary, *(part for part in parts if part is not primary)]
    bulk = [p for p in ordered if p.kind == "samples" and (p.populations["side"] == "normal").any()]
    if not bulk or not summaries:
        return summaries
    return [renewed(to_scale(adata, reference=atlases[bulk[0].atlas])) for adata in summaries]


def _rare_unmeasured(panel: Panel, tiers: Tiers) -> str:
    table, units = panel.populations, panel.units
    seen = {*table["tissue"].astype(str), *table["cell_type"].astype(str), *units["tissue"], *units["cell_type"]}
    return ", ".join(name for name in tiers.rare if name not in seen)
