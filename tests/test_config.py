"""The configuration: what is asked for is checked, and its default file and schema follow the model."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from cartarget.config import Config, load_config, parse_config
from cartarget.config_text import config_schema, default_config
from cartarget.errors import ConfigError
from cartarget.yaml_file import read_yaml

ROOT = Path(__file__).resolve().parents[1]
GENERATED = {"config/config.yaml": default_config, "workflow/schemas/config.schema.json": config_schema}
SIMULATED = {"name": "simulated", "reader": "simulated"}


@pytest.mark.parametrize("name", GENERATED)
def test_generated_files_are_in_step(name: str, request: pytest.FixtureRequest) -> None:
    path = ROOT / name
    if request.config.getoption("--fix"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(GENERATED[name](), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == GENERATED[name](), "run `make generated`"


def test_the_default_file_is_the_default() -> None:
    assert parse_config(yaml.safe_load(default_config())) == Config()


def test_each_key_of_the_default_file_says_what_it_is() -> None:
    lines = default_config().splitlines()
    for above, line in pairwise(lines):
        if not line.lstrip().startswith("#"):
            assert above.lstrip().startswith("#"), f"no comment above {line!r}"


def test_the_schema_knows_each_key() -> None:
    schema = json.loads(config_schema())
    assert set(schema["properties"]) == set(Config.model_fields)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("path", sorted((ROOT / "config" / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_examples_are_right(path: Path) -> None:
    config = load_config(path)
    assert config.name == path.stem, "results are named as the file is"
    assert config.data_dir == "../shared/data" or config.data_dir == "."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"nmae": "x"}, "unknown key 'nmae'; did you mean 'name'?"),
        ({"thresholds": {"blk": 3}}, "unknown key 'thresholds.blk'; did you mean 'bulk'?"),
        ({"atlases": [SIMULATED | {"raeder": "h5ad"}]}, "unknown key 'atlases.0.raeder'; did you mean 'reader'?"),
        (
            {"atlases": [SIMULATED | {"labels": {"doner": "x"}}]},
            "unknown key 'atlases.0.labels.doner'; did you mean 'donor'?",
        ),
        ({"zzz": 1}, "unknown key 'zzz'; expected one of name, title"),
        ({"coverage_floor": 2}, "coverage_floor: found 2"),
        ({"coverage_floor": "half"}, "coverage_floor: found 'half'"),
        ({"thresholds": {"count": 0}}, "thresholds.count: found 0"),
        ({"primary": "bluk"}, "primary: found 'bluk'; Input should be 'bulk' or 'single_cell'"),
        ({"atlases": []}, "atlases: found []"),
        ({"atlases": [SIMULATED, SIMULATED]}, "the name 'simulated' is used twice"),
        ({"atlases": [SIMULATED | {"role": "normal"}]}, "none has role 'counted'"),
        ({"name": "../outside"}, "name: found '../outside'"),
        ({"name": ""}, "name: found ''"),
        ({"results": "../outside"}, "results: '../outside' is outside the working directory"),
        ({"results": "/tmp/outside"}, "results: '/tmp/outside' is outside the working directory"),
        ({"results": "inside/../../outside"}, "is outside the working directory"),
        ({"thresholds": {"bulk": float("inf")}}, "thresholds.bulk: found inf; Input should be a finite number"),
        ({"larger": {"minutes": float("inf")}}, "larger.minutes: found inf; Input should be a finite number"),
        ({"coverage_floor": float("nan")}, "coverage_floor: found nan; Input should be a finite number"),
        (["name"], "expected keys and values at the top level, found list"),
    ],
)
def test_a_wrong_value_is_named(content: object, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(content, where="run.yaml")
    assert message in str(error.value)
    assert str(error.value).startswith("run.yaml: ")


def test_all_wrong_keys_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        parse_config({"nmae": "x", "tpo": 3})
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"name: [", "not valid YAML"), (b"name: \xff", "cannot be read"), (b"- demo", "expected keys and values")],
)
def test_a_broken_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as error:
        load_config(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("top: 5\nname: x\ntop: 6", "line 3: the key 'top' stands on line 1 too"),
        ("thresholds:\n  bulk: 1\n  bulk: 2", "line 3: the key 'bulk' stands on line 2 too"),
        ("atlases:\n- name: a\n  'name': b", "line 3: the key 'name' stands on line 2 too"),
        ("thresholds: {bulk: .inf}", "thresholds.bulk: found inf"),
    ],
)
def test_a_key_that_stands_twice_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert message in str(error.value)


def test_a_key_may_stand_in_two_places_and_over_an_alias(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("name: a\nthresholds: &t {bulk: 1, count: 2}\nx: {<<: *t, bulk: 3}\ny: {<<: *t, bulk: 4}")
    assert read_yaml(path)["x"] == {"bulk": 3, "count": 2}
    assert read_yaml(path)["y"] == {"bulk": 4, "count": 2}


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.yaml: cannot be read .*; give a YAML file"):
        load_config(tmp_path / "absent.yaml")


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.touch()
    assert load_config(path) == Config()


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().name = "other"  # type: ignore[misc]
