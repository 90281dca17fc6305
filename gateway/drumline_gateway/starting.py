"""From the body of a request to a run that has begun."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers

from drumline_gateway.ask import Ask
from drumline_gateway.auth import refuse_reserved
from drumline_gateway.bodies import Fields
from drumline_gateway.kept_assistants import run_body_with
from drumline_gateway.remote_parent import input_of, rested, taken_from
from drumline_gateway.run_body import RunBody, assistant_in, read_run_body
from drumline_gateway.service import Row, Start
from drumline_gateway.shapes import assistant_id_of
from drumline_gateway.wishes import Wish, modes_in, noted
from drumline_graph.constants import END
from drumline_graph.types import StateUpdate
from drumline_protocol.errors import UnknownThread
from drumline_protocol.trace_context import NO_TRACE, TraceContext, arrived, checked

#: the body as it came
_UNREAD: Any = object()


@dataclass(frozen=True, slots=True)
class Started:
    """A run that is there. `thread`: None if it is on none."""

    run_id: str
    thread: str | None
    body: RunBody = field(default_factory=RunBody)


async def start(ask: Ask, given: Any = _UNREAD) -> Started:
    """Start the run that the body asks for, on the thread in the path if there is one. Names what has no effect.

    HttpError 404, 409, 422, 501, Refused.
    """
    given, answers = taken_from(ask.body if given is _UNREAD else given)
    fields = Fields(given)
    refuse_reserved(Fields(fields.dict("config"), "config").dict("configurable"))
    modes = modes_in(fields.all.get("stream_mode"))
    graph, assistant, given = await _of_assistant(ask, given)
    body = read_run_body(given, ask.served.get(graph), ask.service.ignored)
    thread = ask.id_of("thread") if "thread_id" in ask.request.path_params else None
    if thread is None:
        body.is_on_no_thread(fields.all)
    asked: dict[str, Any] = {
        "thread_id": thread,
        "assistant_id": assistant,
        "metadata": body.metadata,
        "kwargs": {"input": fields.all.get("input"), "command": fields.all.get("command")},
        "multitask_strategy": body.strategy,
        "if_not_exists": "create" if body.makes_thread else "reject",
    }
    asked = await ask.allow("threads", "create_run", asked)
    mine = ask.filter
    if thread is not None:
        row = await _reach(ask, thread, makes=body.makes_thread)
        if answers is not None:
            row = await rested(ask, row)
            body.input = await input_of(ask, row, answers) if row["status"] == "paused" else body.input
    ask.filter = mine
    metadata = {**(asked.get("metadata") or {}), "graph_id": graph, "assistant_id": assistant}
    body.config["metadata"] = ask.stamped(metadata) | noted(Wish(modes, body.subgraphs))
    if body.gives_up and thread is not None:
        ask.graph(graph)  # that it is held is needed for this
        config = {"configurable": {"thread_id": thread}, "metadata": ask.stamped({})}
        await ask.service.update(graph, thread, config, [[StateUpdate(None, END)]])
    body.config["configurable"].update(ask.identity.for_nodes)
    arrived.set(_trace(ask.request.headers))
    run_id = await ask.service.start(
        Start(
            graph,
            body.input,
            thread,
            body.config,
            body.context,
            body.stops_before,
            body.stops_after,
            body.strategy,
            body.durability,
            body.after_seconds,
        )
    )
    if body.ignored:
        told = ask.headers.get("Drumline-Ignored", "").split(", ")  # of the runs before it in a batch
        ask.headers["Drumline-Ignored"] = ", ".join(dict.fromkeys(key for key in (*told, *body.ignored) if key))
    return Started(run_id, thread, body)


def _trace(headers: Headers) -> TraceContext:
    """The trace that the request is part of; one that names several is part of none."""
    parents, states = headers.getlist("traceparent"), headers.getlist("tracestate")
    return checked(parents[0].strip(), ",".join(states)) if len(parents) == 1 else NO_TRACE


async def _of_assistant(ask: Ask, given: Any) -> tuple[str, str, Any]:
    """The graph and the id of the assistant in a body, and the body with what that assistant says. HttpError 404."""
    named = assistant_in(given)
    graph = await ask.served.graph_of(named)
    if graph is not None:
        return graph, assistant_id_of(graph), given
    row, data = await ask.assistant(named)
    return row["graph_id"], row["assistant_id"], given if data is None else run_body_with(given, row)


async def _reach(ask: Ask, thread: str, *, makes: bool) -> Row:
    """The thread, if it is there and the caller's; it is made, if that was asked for. UnknownThread."""
    try:
        row = await ask.service.thread(thread)
    except UnknownThread:
        if not makes:
            raise
        asked = await ask.allow("threads", "create", {"thread_id": thread, "metadata": {}, "if_exists": "do_nothing"})
        row = await ask.service.make_thread(thread, ask.stamped(asked.get("metadata") or {}), refuse=False)
    if not ask.sees(row["metadata"]):
        raise UnknownThread(thread)
    return row
