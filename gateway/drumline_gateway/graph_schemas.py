"""What a graph takes and gives, as JSON schemas."""

from __future__ import annotations

from typing import Any

from drumline_gateway.service import Row


def schemas_of(held: Any) -> Row:
    """JSON schemas of a graph; one that cannot be written is null."""
    return {
        "input_schema": _schema(held.get_input_jsonschema),
        "output_schema": _schema(held.get_output_jsonschema),
        "state_schema": _schema(lambda: _state_schema(held)),
        "config_schema": _schema(lambda: _config_schema(held)),
        "context_schema": _schema(held.get_context_jsonschema),
    }


def _state_schema(held: Any) -> Any:
    from drumline.runnable.schemas import json_schema_of

    return json_schema_of(held.program.state_schema)


def _config_schema(held: Any) -> Any:
    found = held.get_context_jsonschema()
    return {"type": "object", "title": "Config", "properties": {}} if found is None else found


def _schema(make: Any) -> Any:
    try:
        return make()
    except Exception:  # pydantic refuses what it cannot write, in many classes
        return None
