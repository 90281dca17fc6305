"""Assistants: one for each graph, made by the server, and those that clients make: a graph with a config and a context.

A graph's own assistant is every caller's, and nobody changes it. One that a client has made is its maker's, like a
thread, and each change of it is a new version.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from drumline_gateway import kept_assistants as kept
from drumline_gateway import shapes
from drumline_gateway.ask import Ask
from drumline_gateway.auth import refuse_reserved
from drumline_gateway.bodies import Fields, checked_id, query_flag
from drumline_gateway.errors import HttpError, bad, unknown
from drumline_gateway.graph_schemas import schemas_of
from drumline_gateway.of_threads import SEARCHED_MAX
from drumline_gateway.run_body import read_run_body
from drumline_gateway.service import Row

_SORTED = ("assistant_id", "graph_id", "name", "created_at", "updated_at")
#: how often a change is tried again because another one came first
_TRIES_MAX = 20


async def search(ask: Ask) -> Response:
    """Assistants that are what the body says, a page of them."""
    fields = ask.fields
    limit, offset = fields.count("limit", 10), fields.count("offset", 0, SEARCHED_MAX)
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
    asked = await ask.allow("assistants", "search", {"graph_id": graph or None, "metadata": metadata})
    metadata = asked.get("metadata") or {}
    rows = [ask.served.assistant(each) for each in await ask.served.names()]
    rows += filter(lambda row: ask.sees(row["metadata"]), map(kept.shown, map(kept.read, await _all(ask))))
    found = [
        _told(ask, row)
        for row in rows
        if graph in ("", row["graph_id"]) and name.lower() in row["name"].lower() and _has(row, metadata)
    ]
    return sorted(found, key=lambda row: (row[sort_by], row["assistant_id"]), reverse=descends)


async def _all(ask: Ask) -> list[bytes]:
    return list((await ask.service.assistants()).values())


def _has(row: Row, metadata: Row) -> bool:
    return all(key in row["metadata"] and row["metadata"][key] == value for key, value in metadata.items())


def _told(ask: Ask, row: Row) -> Row:
    return {**row, "metadata": ask.shown(row["metadata"])}


async def get(ask: Ask) -> Response:
    """The assistant of an id, or of a graph's name."""
    row, _ = await ask.assistant()
    return ask.answer(_told(ask, row))


# -- what clients make ------------------------------------------------------------------------------------


async def create(ask: Ask) -> Response:
    """Make an assistant; one that is there is refused (409), or is as good (`if_exists: do_nothing`)."""
    fields = ask.fields
    given = fields.text("assistant_id")
    assistant = checked_id("assistant", given) if given else str(uuid.uuid4())
    if_exists = fields.choice("if_exists", ("raise", "do_nothing"), "raise")
    said = await _said(ask, fields)
    if "graph_id" not in said:
        raise bad("graph_id is missing: the name of a graph.")
    asked: Row = {"assistant_id": assistant, "if_exists": if_exists, **said}
    asked = await ask.allow("assistants", "create", asked)
    said["metadata"] = ask.stamped(asked.get("metadata") or {})
    row = kept.made(assistant, said, _now_ms())
    graph = await ask.served.graph_of(assistant)
    made = graph is None and await ask.service.swap_assistant(assistant, None, kept.data_of(row))
    if made:
        return ask.answer(_told(ask, kept.shown(row)))
    if if_exists == "raise":
        raise HttpError(409, f"There is an assistant {assistant!r} already.")
    there, _ = await ask.assistant(assistant)
    return ask.answer(_told(ask, there))


async def _said(ask: Ask, fields: Fields) -> Row:
    """What a body says of an assistant, checked as if a run said so; only the keys that it has."""
    said: Row = {key: fields.dict(key) for key in ("config", "context", "metadata") if fields.all.get(key) is not None}
    said.update({key: fields.text(key) for key in ("name", "description") if fields.all.get(key) is not None})
    graph = fields.text("graph_id")
    if graph:
        if graph not in await ask.served.names() and graph not in await ask.served.names(anew=True):
            raise unknown("graph", graph)
        said["graph_id"] = graph
    refuse_reserved(Fields(said.get("config"), "config").dict("configurable"))
    read_run_body({key: said.get(key) for key in ("config", "context")}, None, ())
    return said


async def patch(ask: Ask) -> Response:
    """A new version of an assistant, which is the one from now on. Metadata are added; all else is replaced."""
    said = await _said(ask, ask.fields)
    given = said.get("metadata", {})

    def change(row: Row) -> Row:
        said["metadata"] = ask.stamped({**kept.latest(row)["metadata"], **given})
        return kept.changed(row, said, _now_ms())

    return ask.answer(_told(ask, kept.shown(await _change(ask, "update", change, **said))))


async def set_latest(ask: Ask) -> Response:
    """Say which version of an assistant is the one."""
    asked = ask.fields.count("version", 1)

    def change(row: Row) -> Row:
        found = kept.turned(row, asked, _now_ms())
        if found is None:
            raise unknown("version", str(asked))
        return found

    row, data = await ask.assistant(action="update")
    if data is None and asked == 1:
        return ask.answer(_told(ask, row))
    return ask.answer(_told(ask, kept.shown(await _change(ask, "update", change, version=asked))))


async def _change(ask: Ask, action: str, change: Callable[[Row], Row | None], **value: Any) -> Row:
    """Change the assistant in the path, whatever others do meanwhile; how it was before if that deletes it."""
    for _ in range(_TRIES_MAX):
        shown, data = await ask.assistant(action=action, **value)
        if data is None:
            raise HttpError(409, f"Assistant {shown['name']!r} is that of a graph, which nobody changes: make another.")
        row = kept.read(data)
        found = change(row)
        if await ask.service.swap_assistant(row["assistant_id"], data, None if found is None else kept.data_of(found)):
            return row if found is None else found
    raise HttpError(409, "Others change this assistant all the time: try again.")


async def delete(ask: Ask) -> Response:
    """Delete an assistant; with `delete_threads=true` also the threads whose newest run was of it."""
    row = await _change(ask, "delete", lambda _: None)
    if query_flag(ask.request.query_params, "delete_threads"):
        await ask.allow("threads", "search", {"metadata": {"assistant_id": row["assistant_id"]}})
        rows = await ask.service.threads(metadata={"assistant_id": row["assistant_id"]}, limit=SEARCHED_MAX)
        for thread in [each for each in rows if ask.sees(each["metadata"])]:
            await ask.allow("threads", "delete", {"thread_id": thread["thread_id"]})
            if ask.sees(thread["metadata"]):
                await ask.service.delete_thread(thread["thread_id"])
    return ask.nothing()


async def versions(ask: Ask) -> Response:
    """The versions of an assistant, the newest first, a page of them."""
    fields = ask.fields
    limit, offset, metadata = fields.count("limit", 10), fields.count("offset", 0), fields.dict("metadata")
    row, data = await ask.assistant()
    found = [row] if data is None else kept.shown_versions(kept.read(data))
    found = [_told(ask, each) for each in found if _has(each, metadata)]
    return ask.answer(found[offset : offset + limit])


def _now_ms() -> int:
    return int(time.time() * 1000)


# -- what their graphs are --------------------------------------------------------------------------------


async def graph(ask: Ask) -> Response:
    """The drawing of an assistant's graph."""
    xray = ask.request.query_params.get("xray", "false").lower()
    if xray not in ("true", "false") and not (xray.isdecimal() and len(xray) < 4):
        raise bad("xray must be true, false or a number.")
    held = await _graph(ask)
    depth: int | bool = int(xray) if xray.isdecimal() else xray == "true"
    return ask.answer(held.get_graph(xray=depth).to_json())


async def _graph(ask: Ask) -> Any:
    row, _ = await ask.assistant()
    return ask.graph(row["graph_id"])


async def schemas(ask: Ask) -> Response:
    """JSON schemas of what an assistant's graph takes and gives."""
    row, _ = await ask.assistant()
    return ask.answer({"graph_id": row["graph_id"], **schemas_of(ask.graph(row["graph_id"]))})


async def subgraphs(ask: Ask) -> Response:
    """Schemas of the graphs in an assistant's graph, by their namespaces."""
    held = await _graph(ask)
    wanted = ask.request.path_params.get("namespace", "")
    recurse = query_flag(ask.request.query_params, "recurse")
    found: dict[str, Any] = {}
    for namespace, inner in held.get_subgraphs(namespace=wanted or None, recurse=recurse):
        found[namespace] = {"graph_id": inner.get_name(), **schemas_of(inner)}
    return ask.answer(found)
