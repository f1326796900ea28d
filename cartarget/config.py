"""What was asked for: the configuration as a type; its default file and schema are generated from it."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, StringConstraints, ValidationError, model_validator

from cartarget.cell_labels import CellLabels, Strict
from cartarget.errors import ConfigError
from cartarget.sheet import read_rows
from cartarget.surface_keys import Surface
from cartarget.yaml_file import read_yaml

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


RETIRED_ROLES = {
    "primary": "write `role: counted`, or leave it out: every atlas of observations is counted, and `primary: bulk` or "
    "`primary: single_cell` at the top of the file says which tumours order the ranking",
    "joined": "write `role: counted` to count the cells with everything else, or `role: shown` to show them only",
}
"""Roles of earlier versions, and the line to write instead."""


class Census(Strict):
    """Which cells of CELLxGENE Census an atlas is made of; duplicates (`is_primary_data` false) are always left out."""

    release: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] = Field(
        description="date of a release, such as 2025-11-08; never latest, so that the cells stay the same"
    )
    cells: str = Field(
        description="condition on the columns of obs, such as: tissue_general == 'colon' and disease == 'normal'"
    )
    most: Annotated[int, Field(ge=1)] = Field(
        200_000, description="cells that may match; more is an error, since all of them are held in memory once"
    )


Role = Literal["counted", "normal", "protein", "proteome", "tumor_protein", "antibodies", "replication", "shown"]
"""What an atlas is evidence of."""


class AtlasConfig(Strict):
    """One atlas: where it is, how it is read, and what it is evidence of."""

    name: Name = Field(description="short name, shown beside every number that comes from it")
    reader: Literal[
        "simulated", "rsem_counts", "xena", "gct", "recount3", "summary_table", "hpa_long", "ihc", "ihc_cancer",
        "cptac", "proteome", "cell_table", "mtx", "tenx_h5", "h5ad", "zarr", "citeseq",
    ] = Field(description="how the file is read")  # fmt: skip
    path: str = Field("", description="file or folder, relative to data_dir; recount3 takes a pattern of files")
    role: Role = Field(
        "counted",
        description="counted: cells, nuclei or samples of tumour, normal tissue or both, counted together with every "
        "other such atlas; normal: summary of normal tissue, one number per gene and tissue; protein: antibody stains "
        "of normal tissue; proteome: mass spectrometry of normal organs, shown beside the antigens; tumor_protein: "
        "protein in tumours, shown beside the antigens; antibodies: those on single cells, the same way; replication: "
        "a second cohort in which the first gates are scored again; shown: cells shown beside the result and never "
        "counted",
    )
    indications: list[Name] = Field(
        [], description="indications of its tumour; a run of another leaves it out, and says so; none: of any"
    )
    tumor: str | None = Field(
        None,
        description="pattern of the tumour's file names within path; {indication} stands for the config's indication",
    )
    normal: str | None = Field(None, description="pattern of the normal file names within path")
    unit: str | None = Field(
        None, description="unit of the values, when the file does not say: counts, CPM, TPM, nTPM, log1p, log2 …"
    )
    tissue: str | None = Field(None, description="tissue of all observations, when the file does not say")
    samples: str | None = Field(
        None, description="table that says what each sample or cell of the file is, where the file does not"
    )
    transcripts: str | None = Field(
        None, description="bulk: table of TPM by transcript of the same samples (Toil, GTEx): tells isoforms apart"
    )
    background: str | None = Field(None, description="citeseq: antibodies in empty droplets, in any form that it reads")
    pipeline: str | None = Field(
        None, description="pipeline that made the values; atlases that name the same one are compared without a warning"
    )
    scaling: Literal["library", "tmm"] = Field(
        "library", description="bulk counts: CPM by the whole library, or by the library times its TMM factor (edgeR)"
    )
    purity: str | None = Field(
        None, description="bulk: table with the columns sample (or patient) and purity, for a range of the coverage"
    )
    census: Census | None = Field(
        None, description="h5ad: what the workflow asks CELLxGENE Census for, to be kept at path"
    )
    nuclei: bool = Field(
        False,
        description="single cell: all are nuclei, which are kept apart from cells; h5ad: told by suspension_type too",
    )
    call_doublets: bool = Field(False, description="single-cell counts: call doublets with Scrublet (minutes)")
    labels: CellLabels = Field(default_factory=lambda: CellLabels(), description="single cell: which columns mean what")
    locations: str | None = Field(None, description="ihc: subcellular location table, for the membrane rule")
    release: str = Field("", description="release of the atlas, for the report")
    licence: str = Field("", description="licence of the atlas, for the report")
    citation: str = Field("", description="what to cite, for the report")

    @model_validator(mode="before")
    @classmethod
    def _roles_are_current(cls, given: Any) -> Any:
        role = given.get("role") if isinstance(given, dict) else None
        if role in RETIRED_ROLES:
            raise ValueError(f"role: found {role!r}, which is no longer used; {RETIRED_ROLES[role]}")
        return given


class Genes(Strict):
    """What genes are called."""

    table: str | None = Field(
        None,
        description="NCBI-style table of genes with synonyms, relative to data_dir; none: symbols are taken as given",
    )


class Thresholds(Strict):
    """What counts as positive."""

    bulk: Annotated[float, Field(gt=0)] = Field(10.0, description="bulk samples: positive at or above this many CPM")
    count: Annotated[int, Field(ge=1)] = Field(1, description="single cell: positive at or above this many counts")
    protein: Literal["Low", "Medium", "High"] = Field("Medium", description="stain that counts as positive")


class Larger(Strict):
    """Gates of three to five antigens, searched exactly and held to the rules for gates of two."""

    templates: list[str] = Field(
        [], description="shapes such as A & (B | C), each letter an antigen or a blocker; none: gates of two alone"
    )
    top: Annotated[int, Field(ge=1)] = Field(100, description="gates kept in the table of gates")
    minutes: Annotated[float, Field(gt=0)] = Field(
        10.0, description="time for the search; when it is over, the gap that remains is stated"
    )


class Trust(Strict):
    """How the first gates are held to account."""

    gates: Annotated[int, Field(ge=0)] = Field(200, description="how many of the first gates")
    folds: Annotated[int, Field(ge=0)] = Field(
        5, description="folds of people, to choose on some and measure on others; 0: none"
    )
    bootstrap: Annotated[int, Field(ge=0)] = Field(
        50, description="samples of people, for the interval of a rank; 0: none"
    )
    chance: Annotated[int, Field(ge=0)] = Field(
        200, description="random gates of the same expression, for the part of chance; 0: none"
    )


class Config(Strict):
    """A run of cartarget."""

    name: Name = Field("demo", description="name of the run; results go to <results>/<name>/")
    title: str = Field("", description="what the report is headed; none: the indication's name")
    indication: Name = Field(
        "simulated", description="row of resources/indications.tsv, or a name of your own with `origin`"
    )
    origin: list[str] | None = Field(
        None, description="tissues from which the tumour arises; none: from the indication"
    )
    sex: Literal["female", "male"] | None = Field(
        None, description="patients of one sex: organs of the other are ignored; none: from the indication"
    )
    primary: Literal["bulk", "single_cell"] = Field(
        "single_cell", description="which tumours order the ranking; every atlas is counted"
    )
    data_dir: str = Field(".", description="folder against which the paths of atlases, genes and votes are read")
    results: str = Field("results", description="folder of the results, within the working directory")
    atlases: list[AtlasConfig] = Field(
        default_factory=lambda: [AtlasConfig(name="simulated", reader="simulated")],
        description="what is expressed where",
        min_length=1,
    )
    sheet: str | None = Field(
        None, description="sample sheet with more atlases, one row each, in the columns of config/atlases.tsv"
    )
    genes: Genes = Field(default_factory=lambda: Genes(), description="what genes are called")
    surface: Surface = Field(default_factory=lambda: Surface(), description="what sits on the cell surface")
    tiers: str = Field(
        "config/tissue_tiers.tsv",
        description="table of tissues and cell types: tier, weight, cap, required, reason, source",
    )
    thresholds: Thresholds = Field(default_factory=lambda: Thresholds(), description="what counts as positive")
    coverage_floor: Annotated[float, Field(ge=0, le=1)] = Field(0.5, description="coverage that makes a gate eligible")
    larger: Larger = Field(default_factory=lambda: Larger(), description="gates of more than two antigens")
    trust: Trust = Field(default_factory=lambda: Trust(), description="how the first gates are held to account")
    top: Annotated[int, Field(ge=1)] = Field(10_000, description="gates kept in gates.parquet, beside the controls")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="seed of everything random")

    @model_validator(mode="after")
    def _atlases_make_sense(self) -> Config:
        names = [atlas.name for atlas in self.atlases]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"atlases: the name {twice[0]!r} is used twice; give each atlas its own name")
        for atlas in self.atlases:
            if atlas.census and (atlas.reader != "h5ad" or not atlas.path):
                raise ValueError(f"atlases.{atlas.name}.census: needs reader h5ad, and a path to keep the cells at")
        if not any(atlas.role == "counted" for atlas in self.used_atlases):
            raise ValueError("atlases: none has role 'counted'; one atlas must hold the tumour of the indication")
        return self

    @model_validator(mode="after")
    def _results_stay_inside(self) -> Config:
        if Path(self.results).is_absolute() or ".." in Path(self.results).parts:
            raise ValueError(f"results: {self.results!r} is outside the working directory; give a folder inside it")
        return self

    @property
    def run_dir(self) -> Path:
        """Folder of this run's results."""
        return Path(self.results) / self.name

    @property
    def used_atlases(self) -> list[AtlasConfig]:
        """The atlases that a run of this indication reads.

        Examples
        --------
        >>> cells = AtlasConfig(name="cells", reader="h5ad", role="shown", indications=["read"])
        >>> bulk = AtlasConfig(name="bulk", reader="rsem_counts")
        >>> [atlas.name for atlas in Config(indication="chol", atlases=[bulk, cells]).used_atlases]
        ['bulk']
        """
        return [atlas for atlas in self.atlases if not atlas.indications or self.indication in atlas.indications]

    @property
    def ranks_every_gene(self) -> bool:
        """Whether every gene may be an antigen: asked for, or simulated atlases are counted without a table."""
        counted = (atlas.reader for atlas in self.used_atlases if atlas.role == "counted")
        return self.surface.every_gene or (not self._names_surface and set(counted) == {"simulated"})

    @property
    def needs_surfaceome(self) -> bool:
        """Whether the surfaceome of the installed package pirlygenes says which genes may be antigens."""
        return not self.ranks_every_gene and not self._names_surface

    @property
    def _names_surface(self) -> bool:
        return bool(self.surface.votes or self.surface.uniprot)

    def data(self, path: str) -> Path:
        """A data path, read against `data_dir`."""
        return Path(self.data_dir) / path


def load_config(path: str | os.PathLike[str], *, sheet: str | os.PathLike[str] | None = None) -> Config:
    """Read and check a configuration file.

    Parameters
    ----------
    path
        A YAML file.
    sheet
        A sample sheet in place of the file's `sheet`. None: as the file says.

    Raises
    ------
    ConfigError
        The file is absent or not YAML, a key stands twice or is unknown (the nearest right key is named) or a value
        does not fit.
    InputError
        The sample sheet is malformed.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "run.yaml"
    >>> _ = file.write_text("nmae: rectal")
    >>> load_config(file)
    Traceback (most recent call last):
    cartarget.errors.ConfigError: ...run.yaml: unknown key 'nmae'; did you mean 'name'?
    """
    content = read_yaml(path)
    content = {} if content is None else content
    if sheet is not None and isinstance(content, dict):
        content = content | {"sheet": str(sheet)}
    return parse_config(content, where=str(path))


def read_sheet(path: str | os.PathLike[str]) -> list[AtlasConfig]:
    """The atlases of a sample sheet (`cartarget.sheet` tells its columns).

    Raises
    ------
    InputError
        The sheet is malformed.
    ConfigError
        A value does not fit; the message names the line and the key.
    """
    atlases = []
    for where, row in read_rows(path):
        try:
            atlases.append(AtlasConfig.model_validate(row))
        except ValidationError as error:
            raise ConfigError("\n".join(f"{where}: {_explain(item)}" for item in error.errors())) from None
    return atlases


def parse_config(content: object, *, where: str = "config") -> Config:
    """Check a configuration given as plain data (what Snakemake holds in `config`).

    Parameters
    ----------
    content
        Keys and values; a key that is left out has its default. The atlases of a `sheet` join those of `atlases`
        (of which there are none if the key is left out), and `sheet` is then empty.
    where
        What an error names as the place.

    Raises
    ------
    ConfigError
        A key is unknown (the nearest right key is named) or a value does not fit.
    InputError
        The sample sheet is malformed.

    Examples
    --------
    >>> parse_config({"name": "demo"}).run_dir.as_posix()
    'results/demo'
    >>> parse_config({"coverage_floor": 2})
    Traceback (most recent call last):
    cartarget.errors.ConfigError: config: coverage_floor: found 2; Input should be less than or equal to 1
    """
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: expected keys and values at the top level, found {type(content).__name__}")
    if content.get("sheet"):
        more = [atlas.model_dump() for atlas in read_sheet(content["sheet"])]
        content = content | {"atlases": [*(content.get("atlases") or []), *more], "sheet": None}
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{where}: {_explain(item)}" for item in error.errors())) from None


def _explain(item: Any) -> str:
    location = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        key = str(item["loc"][-1])
        near = difflib.get_close_matches(key, _keys_beside(item["loc"]), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else "expected one of " + ", ".join(_keys_beside(item["loc"]))
        return f"unknown key {location!r}; {hint}"
    message = re.sub("^Value error, ", "", item["msg"])
    return message if not location else f"{location}: found {item['input']!r}; {message}"


def _keys_beside(location: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = Config
    for part in location[:-1]:
        if isinstance(part, str):
            model = _model_of(model.model_fields[part].annotation)
    return list(model.model_fields)


def _model_of(annotation: Any) -> type[BaseModel]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(_model_of(part) for part in get_args(annotation) if part is not type(None))
