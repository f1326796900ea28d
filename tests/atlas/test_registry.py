"""Readers are records: every reader of the configuration has one, and each can be imported."""

from __future__ import annotations

import inspect
from typing import get_args

import pytest

from cartarget.atlas import read_atlas
from cartarget.atlas.registry import READERS
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError


def test_the_configuration_and_the_registry_name_the_same_readers() -> None:
    assert set(READERS) == set(get_args(AtlasConfig.model_fields["reader"].annotation))


@pytest.mark.parametrize("name", sorted(READERS))
def test_every_reader_has_the_one_signature(name: str) -> None:
    parameters = inspect.signature(READERS[name].read).parameters
    assert list(parameters) == ["atlas", "config", "genes", "keep"]
    assert [p.kind for p in parameters.values()][1:] == [inspect.Parameter.KEYWORD_ONLY] * 3
    assert READERS[name].description


@pytest.mark.parametrize("name", sorted(set(READERS) - {"simulated"}))
def test_an_absent_file_is_named(name: str) -> None:
    atlas = AtlasConfig(name="gone", reader=name, path="no_such_thing", unit="TPM")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no_such_thing"):
        read_atlas(atlas, config=Config())
