"""The configuration as text: its JSON schema, and the defaults as YAML with comments."""

from __future__ import annotations

import json

from pydantic import BaseModel

from cartarget.config import Config


def config_schema() -> str:
    """JSON schema of the configuration, as text (kept in `workflow/schemas/config.schema.json`)."""
    return json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def default_config() -> str:
    """The default configuration as commented YAML (kept in `config/config.yaml`)."""
    head = (
        "# A run of cartarget. Every key has this default; delete what you do not change.\n"
        "# Generated from cartarget/config.py by `cartarget config --default`: change it there.\n"
    )
    return head + "\n".join(_commented(Config(), indent=0)) + "\n"


def _commented(model: BaseModel, indent: int) -> list[str]:
    lines = []
    pad = " " * indent
    for key, field in type(model).model_fields.items():
        value = getattr(model, key)
        lines.append(f"{pad}# {field.description}")
        if isinstance(value, BaseModel):
            lines += [f"{pad}{key}:", *_commented(value, indent + 2)]
        elif isinstance(value, list) and value and isinstance(value[0], BaseModel):
            lines.append(f"{pad}{key}:")
            for item in value:
                block = _commented(item, indent + 4)
                first = next(i for i, line in enumerate(block) if not line.lstrip().startswith("#"))
                marked = block[first][: indent + 2] + "- " + block[first].lstrip()
                lines += [*block[:first], marked, *block[first + 1 :]]
        else:
            lines.append(f"{pad}{key}: {json.dumps(value, ensure_ascii=False)}")
    return lines
