"""Which graph and which checkpoint a request about a thread's state means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline_gateway.ask import Ask
from drumline_gateway.auth import refuse_reserved
from drumline_gateway.bodies import Fields
from drumline_gateway.errors import HttpError, bad
from drumline_gateway.service import Row

_PLACE = ("checkpoint_ns", "checkpoint_id")


async def graph_of(ask: Ask, row: Row) -> Any:
    """The graph of a thread: that of its runs, or what its metadata names; None if nobody has said yet.

    HttpError 501 if this process does not hold it.
    """
    name = row["graph"] or row["metadata"].get("graph_id")
    return None if not isinstance(name, str) or not name else ask.graph(name)


async def graph_to_change(ask: Ask, row: Row) -> str:
    """Its name; where nobody has said and only one graph is served, it is that. HttpError 409."""
    name = row["graph"] or row["metadata"].get("graph_id")
    if isinstance(name, str) and name:
        return name
    names = await ask.served.names()
    if len(names) != 1:
        raise HttpError(
            409,
            f"Thread {row['thread_id']!r} is of no graph yet: run one on it first, or name it as graph_id in the "
            "metadata of the thread.",
        )
    return names[0]


async def snapshot_of(ask: Ask, row: Row) -> Any:
    """The newest snapshot of a thread; None if there is none, or if this process does not hold the thread's graph."""
    name = row["graph"] or row["metadata"].get("graph_id")
    graph = ask.served.get(name) if isinstance(name, str) else None
    if graph is None or not row["graph"]:
        return None
    found = await graph.aget_state(config_at(row["thread_id"], {}))
    return found if found.metadata is not None else None


def config_at(thread: str, place: Mapping[str, Any]) -> dict[str, Any]:
    """A config that names a thread, and a checkpoint of it if `place` (the SDK's `Checkpoint`) does. HttpError 422."""
    refuse_reserved(place)
    fields = Fields(dict(place), "checkpoint")
    named: dict[str, Any] = {key: fields.text(key) for key in _PLACE if fields.text(key)}
    if fields.dict("checkpoint_map"):
        named["checkpoint_map"] = fields.dict("checkpoint_map")
    other = fields.text("thread_id")
    if other and other != thread:
        raise bad(f"checkpoint.thread_id is {other!r}, and the path names {thread!r}.")
    return {"configurable": {"thread_id": thread, **named}}
