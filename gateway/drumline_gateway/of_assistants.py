"""Assistants: one for each graph, made by the server. Clients read them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from drumline_gateway import shapes
from drumline_gateway.ask import Ask
from drumline_gateway.bodies import Fields, query_flag
from drumline_gateway.errors import bad, unbuilt, unknown
from drumline_gateway.service import Row

_SORTED = ("assistant_id", "graph_id", "name", "created_at", "updated_at")


async def search(ask: Ask) -> Response:
    """Assistants that are what the body says, a page of them."""
    fields = ask.fields
    limit, offset = fields.count("limit", 10), fields.count("offset", 0)
    select = fields.texts("select")
    found = await _found(ask, fields)
    if offset + limit < len(found):
        ask.headers["X-Pagination-Next"] = str(offset + limit)
    page = found[offset : offset + limit]
    return ask.answer([shapes.narrowed(row, select) for row in page])


async def count(ask: Ask) -> Response:
    """How many assistants are what the body says."""
    return ask.answer(len(await _found(ask, ask.fields)))


async def _found(ask: Ask, fields: Fields) -> list[Row]:
    graph, name, metadata = fields.text("graph_id"), fields.text("name"), fields.dict("metadata")
    sort_by = fields.choice("sort_by", _SORTED, "name")
    descends = fields.choice("sort_order", ("asc", "desc"), "asc") == "desc"
    await ask.allow("assistants", "search", {"graph_id": graph or None, "metadata": metadata})
    rows = [_assistant(ask, each) for each in await ask.served.names() if graph in ("", each)]
    rows = [
        row
        for row in rows
        if name.lower() in row["name"].lower()
        and all(row["metadata"].get(key) == value for key, value in metadata.items())
    ]
    return sorted(rows, key=lambda row: row[sort_by], reverse=descends)


def _assistant(ask: Ask, name: str) -> Row:
    graph = ask.served.get(name)
    described = getattr(getattr(graph, "builder", None), "description", None)
    return shapes.assistant(name, described if isinstance(described, str) else None, ask.served.since_ms)


async def get(ask: Ask) -> Response:
    """The assistant of an id, or of a graph's name."""
    return ask.answer(_assistant(ask, await ask.assistant()))


async def graph(ask: Ask) -> Response:
    """The drawing of an assistant's graph."""
    xray = ask.request.query_params.get("xray", "false").lower()
    if xray not in ("true", "false") and not (xray.isdecimal() and len(xray) < 4):
        raise bad("xray must be true, false or a number.")
    held = ask.graph(await ask.assistant())
    depth: int | bool = int(xray) if xray.isdecimal() else xray == "true"
    return ask.answer(held.get_graph(xray=depth).to_json())


async def schemas(ask: Ask) -> Response:
    """JSON schemas of what an assistant's graph takes and gives."""
    name = await ask.assistant()
    return ask.answer({"graph_id": name, **schemas_of(ask.graph(name))})


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


async def subgraphs(ask: Ask) -> Response:
    """Schemas of the graphs in an assistant's graph, by their namespaces."""
    held = ask.graph(await ask.assistant())
    wanted = ask.request.path_params.get("namespace", "")
    recurse = query_flag(ask.request.query_params, "recurse")
    found: dict[str, Any] = {}
    for namespace, inner in held.get_subgraphs(namespace=wanted or None, recurse=recurse):
        found[namespace] = {"graph_id": inner.get_name(), **schemas_of(inner)}
    return ask.answer(found)


async def versions(ask: Ask) -> Response:
    """The one version that an assistant of the server has."""
    return ask.answer([_assistant(ask, await ask.assistant())])


async def set_latest(ask: Ask) -> Response:
    """Say which version of an assistant is the one: there is but the first."""
    asked = ask.fields.count("version", 1)
    name = await ask.assistant("update")
    if asked != 1:
        raise unknown("version", str(asked))
    return ask.answer(_assistant(ask, name))


async def unwritable(ask: Ask) -> Response:
    """Assistants of clients' own are not built."""
    await ask.allow("assistants", "create", {})
    raise unbuilt("Changing assistants", "Each graph has one: give config and context with each run.")
