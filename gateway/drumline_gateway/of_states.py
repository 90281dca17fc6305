"""States of threads: now, at a checkpoint, all of them, and changed from outside."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from drumline.types import StateUpdate
from drumline_gateway import shapes
from drumline_gateway.ask import Ask
from drumline_gateway.bodies import Fields, query_count, query_flag, query_texts
from drumline_gateway.errors import bad
from drumline_gateway.json_input import read_state
from drumline_gateway.places import config_at, graph_of, graph_to_change
from drumline_gateway.service import Row


async def get(ask: Ask) -> Response:
    """How a thread stands."""
    query = ask.request.query_params
    select = query_texts(query, "select")
    return await _at(ask, await ask.thread(), {}, subgraphs=query_flag(query, "subgraphs"), select=select)


async def get_at(ask: Ask) -> Response:
    """How a thread was at the checkpoint in the path."""
    place = {"checkpoint_id": ask.request.path_params["checkpoint_id"]}
    query = ask.request.query_params
    select = query_texts(query, "select")
    return await _at(ask, await ask.thread(), place, subgraphs=query_flag(query, "subgraphs"), select=select)


async def get_by_body(ask: Ask) -> Response:
    """How a thread was at the checkpoint in the body, or a graph within."""
    fields = ask.fields
    place, select = fields.dict("checkpoint"), fields.texts("select")
    return await _at(ask, await ask.thread(), place, subgraphs=fields.flag("subgraphs"), select=select)


async def _at(ask: Ask, row: Row, place: dict[str, Any], *, subgraphs: bool, select: list[str]) -> Response:
    thread, graph = row["thread_id"], await graph_of(ask, row)
    if graph is None:
        return ask.answer(shapes.narrowed(shapes.no_state(thread), select))
    snapshot = await graph.aget_state(config_at(thread, place), subgraphs=subgraphs)
    return ask.answer(shapes.narrowed(shapes.state(snapshot, thread), select))


async def history(ask: Ask) -> Response:
    """Checkpoints of a thread, the newest first."""
    fields = ask.fields if ask.body is not None else _of_query(ask)
    limit, select, row = fields.count("limit", 10), fields.texts("select"), await ask.thread()
    thread, graph = row["thread_id"], await graph_of(ask, row)
    if graph is None or limit == 0:
        return ask.answer([])
    before: Any = fields.all.get("before")
    if isinstance(before, str):
        before = {"checkpoint_id": before}
    elif before is not None and not isinstance(before, dict):
        raise bad("before must be a checkpoint, or the id of one.")
    if isinstance(before, dict) and isinstance(before.get("configurable"), dict):  # a config, as older clients send it
        before = before["configurable"]
    found = graph.aget_state_history(
        config_at(thread, fields.dict("checkpoint")),
        filter=fields.dict("metadata") or None,
        before=config_at(thread, before) if before else None,
        limit=limit,
    )
    return ask.answer([shapes.narrowed(shapes.state(snapshot, thread), select) async for snapshot in found])


def _of_query(ask: Ask) -> Fields:
    query = ask.request.query_params
    return Fields(
        {
            "limit": query_count(query, "limit", 10),
            "before": query.get("before"),
            "select": query_texts(query, "select"),
        }
    )


async def post(ask: Ask) -> Response:
    """Change the state of a thread as if a node had returned these values."""
    fields = ask.fields
    row = await ask.thread("update")
    name = await graph_to_change(ask, row)
    place = dict(fields.dict("checkpoint"))
    if fields.text("checkpoint_id"):
        place.setdefault("checkpoint_id", fields.text("checkpoint_id"))
    values = fields.all.get("values")
    updates = values if isinstance(values, list) else [values]
    schema = ask.graph(name).program.state_schema
    as_node = fields.text("as_node") or None
    # a list is several updates of one superstep, as LangGraph's server takes it
    steps = [[StateUpdate(read_state(schema, update, "values"), as_node)] for update in updates]
    config = config_at(row["thread_id"], place)
    config["metadata"] = ask.stamped({})
    made = await ask.service.update(name, row["thread_id"], config, steps)
    checkpoint = shapes.checkpoint(made, row["thread_id"])
    return ask.answer({"checkpoint": checkpoint, "configurable": checkpoint})
