"""The inputs of a run as its steps find them: the evidence panel, surface evidence, controls, atlases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.indications import Indication, read_indication
from cartarget.selection.ranking import NEGATIVE

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.evidence.panel import Panel
    from cartarget.safety.tiers import Tiers

CONTROLS = "resources/controls.tsv"
INDICATIONS = "resources/indications.tsv"
STREAMED = ("xena", "gct", "recount3")
"""Readers of files so large that only the genes wanted are kept; they tell the names of all."""


@dataclass(frozen=True, eq=False)
class Run:
    """What every step after reading starts from.

    `atlases` holds each atlas harmonised; `joined` those shown beside the result, `summaries` (in the run's unit) and
    `proteins` those of normal tissue, `tumor_proteins` protein in tumours, `replications` second cohorts; `surface`
    the surface evidence of every gene of the primary atlas; `rare_unmeasured` names vital tissues and cell types that
    no atlas of the run measures.
    """

    panel: Panel
    surface: pd.DataFrame
    controls: pd.DataFrame
    candidates: list[str]
    atlases: dict[str, AnnData]
    joined: list[AnnData]
    summaries: list[AnnData]
    proteins: list[AnnData]
    tumor_proteins: list[AnnData]
    replications: list[AnnData]
    tiers: Tiers
    indication: Indication
    origin: tuple[str, ...]
    primary: str
    rare_unmeasured: str

    @property
    def files(self) -> list[dict[str, str]]:
        """Every file that a reader read, with its checksum."""
        return [record for adata in self.atlases.values() for record in adata.uns["cartarget"]["files"]]


def work_path(config: Config, atlas: AtlasConfig) -> Path:
    """Where a read atlas lies between the steps."""
    return config.run_dir / "work" / f"{atlas.name}.h5ad"


def resource_paths(config: Config) -> list[str]:
    """The tables, other than atlases, that a run reads."""
    from cartarget.atlas.registry import READERS
    from cartarget.files import resource
    from cartarget.safety.toxicity import EVENTS, TARGETS

    paths = [config.tiers, INDICATIONS, CONTROLS, config.surface.rescue]
    named = (config.genes.table, config.surface.votes, config.surface.topology)
    paths += [config.data(path).as_posix() for path in named if path]
    looked_up = {table for atlas in config.used_atlases for table in READERS[atlas.reader].tables}
    tables = [*map(Path, sorted(looked_up)), TARGETS, EVENTS]
    return [*paths, *(resource(table).as_posix() for table in tables)]


def read_controls(config: Config) -> pd.DataFrame:
    """Control genes that apply to the run's indication: `symbol`, `kind`, `reason`, `source`."""
    frame = pd.read_csv(CONTROLS, sep="\t", dtype=str, keep_default_na=False)
    mine = frame["indication"].map(lambda cell: not cell or config.indication in cell.split("|"))
    return frame[mine].reset_index(drop=True)


def wanted_symbols(config: Config) -> set[str] | None:
    """Genes that a run may need, where a table of votes tells them; None: all."""
    from cartarget.surface.votes import candidates, read_rescue, read_votes

    if not config.surface.votes:
        return None
    votes = read_votes(config.data(config.surface.votes))
    rescue = read_rescue(config.surface.rescue)
    table = candidates(list(votes.index), votes=votes, min_votes=config.surface.min_votes, rescue=rescue)
    return {*table.loc[table["is_candidate"], "symbol"], *rescue["symbol"], *read_controls(config)["symbol"]}


def load_run(config: Config) -> Run:
    """Bring what the read step left onto one panel.

    Raises
    ------
    InputError
        The read step has not been done, or a tissue is not in the tier table.
    """
    from cartarget.evidence.panel import build_panel
    from cartarget.safety.tiers import read_tiers

    indication = read_indication(config.indication, path=INDICATIONS)
    origin = tuple(config.origin or indication.origin)
    tiers = read_tiers(config.tiers).for_sex(config.sex or indication.sex)
    atlases = _harmonised(config, tiers, origin)
    by_role = {
        role: [atlases[a.name] for a in config.used_atlases if a.role == role]
        for role in ("primary", "normal", "protein", "tumor_protein", "joined", "replication")
    }
    primary = _one_primary(by_role["primary"])
    summaries = _one_scale(by_role["normal"], primary)
    surface = pd.read_parquet(config.run_dir / "work" / "genes.parquet")
    controls = read_controls(config)
    candidates = surface.loc[surface["is_candidate"], "symbol"].tolist()
    negative = controls.loc[controls["kind"].isin(NEGATIVE), "symbol"]
    symbols = candidates + sorted(set(negative) & set(primary.var_names) - set(candidates))
    panel = build_panel(
        primary,
        symbols=symbols,
        required=tiers.required,
        origin=sorted({place.tissue for name in origin if (place := tiers.find(name)) is not None}),
        summaries=summaries,
        proteins=by_role["protein"],
        bulk=config.thresholds.bulk,
        count=config.thresholds.count,
        protein=config.thresholds.protein,
    )
    return Run(
        panel=panel,
        surface=surface,
        controls=controls,
        candidates=candidates,
        atlases=atlases,
        joined=by_role["joined"],
        summaries=summaries,
        proteins=by_role["protein"],
        tumor_proteins=by_role["tumor_protein"],
        replications=by_role["replication"],
        tiers=tiers,
        indication=indication,
        origin=origin,
        primary=primary.uns["cartarget"]["atlas"],
        rare_unmeasured=_rare_unmeasured(panel, tiers),
    )


def _harmonised(config: Config, tiers: Tiers, origin: Sequence[str]) -> dict[str, AnnData]:
    from cartarget.atlas.harmonise import harmonise
    from cartarget.atlas.store import read_stored

    atlases = {}
    for atlas in config.used_atlases:
        path = work_path(config, atlas)
        if not path.exists():
            raise InputError(f"{path}: not there yet; run the read step first (`cartarget run` does all steps)")
        atlases[atlas.name] = harmonise(read_stored(path), tiers=tiers, origin=origin)
    return atlases


def _one_primary(atlases: list[AnnData]) -> AnnData:
    if len(atlases) > 1:
        names = ", ".join(adata.uns["cartarget"]["atlas"] for adata in atlases)
        raise InputError(
            f"atlases {names}: only one can have role 'primary'; give the others role 'normal' or 'joined'"
        )
    return atlases[0]


def _one_scale(summaries: list[AnnData], primary: AnnData) -> list[AnnData]:
    """Summaries in the unit of the run; beside cells, whose unit no tissue summary shares, as they are."""
    from cartarget.atlas.scale import to_scale

    if primary.uns["cartarget"]["kind"] != "samples":
        return summaries
    return [to_scale(adata, reference=primary) for adata in summaries]


def _rare_unmeasured(panel: Panel, tiers: Tiers) -> str:
    table, units = panel.populations, panel.units
    seen = {*table["tissue"].astype(str), *table["cell_type"].astype(str), *units["tissue"], *units["cell_type"]}
    return ", ".join(name for name in tiers.rare if name not in seen)
