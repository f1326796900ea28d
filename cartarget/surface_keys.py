"""Keys of the configuration that name what is known of proteins on the cell surface."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from cartarget.cell_labels import Strict


class Surface(Strict):
    """What sits on the cell surface."""

    votes: str | None = Field(
        None, description="table of surface votes, relative to data_dir; none: the installed package pirlygenes has one"
    )
    topology: str | None = Field(
        None, description="SURFY's table of membrane topology, relative to data_dir; none: not used, and not drawn"
    )
    spans: str | None = Field(None, description="table of membrane spans (UniProt, TOPDB), relative to data_dir")
    locations: str | None = Field(None, description="subcellular locations of the Human Protein Atlas, the same way")
    captured: str | None = Field(None, description="Cell Surface Protein Atlas, the same way")
    uniprot: str | None = Field(None, description="UniProt records of the human proteins, text or XML, the same way")
    mouse: str | None = Field(None, description="table of human genes and their orthologues of the mouse, the same way")
    cynomolgus: str | None = Field(None, description="the same for the cynomolgus monkey")
    mouse_proteins: str | None = Field(None, description="proteins of the mouse, FASTA, the same way")
    cynomolgus_proteins: str | None = Field(None, description="proteins of the cynomolgus monkey, FASTA, the same way")
    essentiality: str | None = Field(
        None, description="table of how selectively cell lines need each gene, the same way"
    )
    min_score: float = Field(0.0, description="surface score (log odds) that makes a candidate")
    every_gene: bool = Field(False, description="every gene may be an antigen; so it is for simulated atlases too")
    rescue: str = Field("resources/surface_rescue.tsv", description="antigens that an experiment put on the surface")
    derived: str = Field("resources/derived_antigens.tsv", description="antigens that are expressions over genes")

    @model_validator(mode="before")
    @classmethod
    def _keys_are_current(cls, given: Any) -> Any:
        if isinstance(given, dict) and "min_votes" in given:
            raise ValueError("min_votes is no longer used: sources are weighed, not counted; write min_score: 0")
        return given

    @property
    def files(self) -> dict[str, str]:
        """The sources that are named, by key."""
        named = {key: getattr(self, key) for key in ("votes", "topology", "spans", "locations", "captured", "uniprot")}
        return {key: path for key, path in named.items() if path}

    @property
    def relatives(self) -> dict[str, str]:
        """The tables of orthologues and of essentiality that are named, by key."""
        named = {key: getattr(self, key) for key in ("mouse", "cynomolgus", "essentiality")}
        return {key: path for key, path in named.items() if path}

    @property
    def proteins(self) -> dict[str, str]:
        """The proteins of animals that are named, by animal."""
        named = {"mouse": self.mouse_proteins, "cynomolgus": self.cynomolgus_proteins}
        return {animal: path for animal, path in named.items() if path}
