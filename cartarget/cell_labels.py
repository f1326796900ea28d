"""How a configuration says what the columns of a table of cells mean."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Strict(BaseModel):
    """A part of the configuration: an unknown key or a number without end is an error; once read, nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CellLabels(Strict):
    """How a single-cell atlas says which cells are malignant, whose they are and what they are."""

    malignant: str | None = Field(None, description="column that tells malignant cells; none: use `side`")
    malignant_values: list[str] | None = Field(
        None,
        description="values of that column that mean malignant, any case; none: yes, true, 1, malignant, tumor; []: no "
        "cell is malignant",
    )
    normal_values: list[str] | None = Field(
        None,
        description="values of that column, or of `disease`, that mean normal; none: no, false, 0, normal; a value "
        "that is named nowhere is an error",
    )
    exclude_values: list[str] = Field(
        [], description="values of the malignant, cell type or donor column whose cells are left out, and counted"
    )
    doublet: str | None = Field(None, description="column that says yes or true for doublets; none: no calls are given")
    donor: str | None = Field(
        None, description="column of the patient or donor; none: one donor, so every population is thin"
    )
    donor_pattern: str | None = Field(
        None, description="regular expression whose first group is the donor, searched in the donor column"
    )
    lesion: str | None = Field(
        None, description="column of the lesion of a patient (primary, metastasis); none: one lesion each"
    )
    cell_type: str | None = Field(None, description="column of the cell type")
    tissue: str | None = Field(None, description="column of the tissue; none: the atlas's `tissue`")

    @model_validator(mode="after")
    def _each_value_means_one_thing(self) -> CellLabels:
        sides = [
            {value.strip().casefold() for value in side or []} for side in (self.malignant_values, self.normal_values)
        ]
        if both := sorted(sides[0] & sides[1]):
            raise ValueError(f"{both[0]!r} stands in malignant_values and in normal_values; keep one of them")
        return self
