"""JSON schemas of what a graph takes and gives, as LangGraph writes them. Needs pydantic, imported when it is asked."""

from __future__ import annotations

import dataclasses
import types
from typing import Annotated, Any, Union, get_args, get_origin

from typing_extensions import is_typeddict

from drumline.runnable.schemas import json_schema_of, value_model_of
from drumline_graph.channels import Channel, Topic
from drumline_graph.channels.base import MISSING
from drumline_graph.defaults import default_of
from drumline_graph.functional import begins_at_once
from drumline_graph.program import Program
from drumline_graph.schema import is_pydantic, read_schema


def input_jsonschema(program: Program, name: str) -> dict[str, Any]:
    """JSON schema of the graph's input."""
    if begins_at_once(program):
        return _of_value(program.input_schema, name)
    return _of(program.input_schema, program, name)


def output_jsonschema(program: Program, name: str) -> dict[str, Any]:
    """JSON schema of the graph's output."""
    if begins_at_once(program):
        return _of_value(program.output_schema, name)
    return _of(program.output_schema, program, name)


def context_jsonschema(program: Program) -> dict[str, Any] | None:
    """JSON schema of the graph's context; None for a graph without. ValueError for a schema without fields."""
    schema: Any = program.context_schema
    if schema is None:
        return None
    if is_pydantic(schema):
        found: dict[str, Any] = schema.model_json_schema()
        return found
    if is_typeddict(schema) or dataclasses.is_dataclass(schema):
        return json_schema_of(schema)
    raise ValueError(
        f"context_schema of graph {program.name!r} is {schema!r}, which has no JSON schema: give a pydantic model, a "
        "TypedDict or a dataclass."
    )


def config_model(program: Program, name: str) -> Any:
    """A pydantic model of the config: its `configurable` is the context, which it was before LangGraph had one."""
    from pydantic import create_model

    fields: dict[str, Any] = {}
    if program.context_schema is not None:
        fields["configurable"] = (program.context_schema, None)
    return create_model(name, **fields)


def _of_value(typ: Any, name: str) -> dict[str, Any]:
    """What an entrypoint takes or gives."""
    written: dict[str, Any] = value_model_of(typ, name).model_json_schema()
    return written


def _of(schema: Any, program: Program, name: str) -> dict[str, Any]:
    if is_pydantic(schema):
        found: dict[str, Any] = schema.model_json_schema()
        return found
    if is_typeddict(schema):
        return json_schema_of(schema)
    from pydantic import create_model

    info = read_schema(schema)
    if info.is_root:
        return {"default": None, "title": name, **json_schema_of(_taken(program.channels[info.keys[0]]))}
    fields: dict[str, Any] = {}
    for key in info.channels:
        default = default_of(schema, key) if dataclasses.is_dataclass(schema) else MISSING
        taken = _taken(program.channels[key])
        if default is MISSING:
            default = None if _takes_none(taken) else ...
        fields[key] = (taken, default)
    model: Any = create_model(name, **fields)
    written: dict[str, Any] = model.model_json_schema()
    return written


def _takes_none(typ: Any) -> bool:
    """Whether None is a value of a type, so that LangGraph lets it be left out."""
    if get_origin(typ) is Annotated:
        return _takes_none(get_args(typ)[0])
    return (
        typ is None
        or typ is type(None)
        or (get_origin(typ) in (Union, types.UnionType) and any(map(_takes_none, get_args(typ))))
    )


def _taken(channel: Channel) -> Any:
    """The type of what may be written to a channel."""
    typ: Any = getattr(channel, "typ", Any)
    if isinstance(channel, Topic):
        return typ | list[typ]
    return typ
