"""Runs: started, watched, waited for, listed, ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response
from starlette.websockets import WebSocket

from drumline_gateway import shapes
from drumline_gateway.ask import Ask
from drumline_gateway.bodies import query_count, query_flag, query_texts
from drumline_gateway.errors import bad
from drumline_gateway.json_values import error_data
from drumline_gateway.run_socket import RunSocket
from drumline_gateway.starting import Started, start
from drumline_gateway.watched import Watched, gone, place_of, room, watch
from drumline_gateway.wishes import modes_in, wish_in

#: what is done when a client leaves before the end
_Leave = Callable[[], Awaitable[None]]
#: the SDK's status -> ours, of which it may stand for several
_STATUSES = {theirs: [ours for ours, word in shapes.RUN_STATUS.items() if word == theirs] for theirs in
             ("pending", "running", "error", "success", "interrupted")}  # fmt: skip


async def stream(ask: Ask) -> Response:
    """Start a run and watch it."""
    modes = modes_in(ask.fields.all.get("stream_mode"), ("values",))
    retracted = query_flag(ask.request.query_params, "retracted")
    with room(ask) as release:
        started = await start(ask)
        watched = Watched(started.run_id, started.thread, modes, started.body.subgraphs, retracted)
        return watch(ask, watched, release=release, on_disconnect=_cancelling(ask, watched, started.body.cancels))


async def join_stream(ask: Ask) -> Response:
    """Watch a run that is there, from the beginning or behind `Last-Event-ID`.

    What the query leaves open is as the run's starter wanted it.
    """
    watched, on_disconnect = await _joined(ask)
    last = ask.request.headers.get("last-event-id")
    with room(ask) as release:
        return watch(ask, watched, release=release, last_event_id=last, on_disconnect=on_disconnect)


async def serve_socket(ask: Ask, socket: WebSocket) -> None:
    """The same over a WebSocket, to its end; what would be the header `Last-Event-ID` may be in the query."""
    watched, on_disconnect = await _joined(ask)
    last = ask.request.headers.get("last-event-id") or ask.request.query_params.get("last_event_id")
    served = RunSocket(socket, watched.frames(ask, last), ask.streams.stall_s)
    ask.streams.entered(served)
    try:
        if await served.serve() and on_disconnect is not None:
            await on_disconnect()
    finally:
        ask.streams.left(served)


async def _joined(ask: Ask) -> tuple[Watched, _Leave | None]:
    """The run in the path as the client wants to see it, and what is done when it leaves before the end."""
    query = ask.request.query_params
    asked = query_texts(query, "stream_mode")
    modes_in(asked)
    row, thread = await ask.run()
    wish = wish_in(row["metadata"])
    watched = Watched(
        row["run_id"],
        thread,
        modes_in(asked, wish.modes),
        query_flag(query, "subgraphs", wish.subgraphs),
        query_flag(query, "retracted"),
    )
    return watched, _cancelling(ask, watched, query_flag(query, "cancel_on_disconnect"))


def _cancelling(ask: Ask, watched: Watched, cancels: bool) -> _Leave | None:
    return (lambda: _cancel_quietly(ask, Started(watched.run_id, watched.thread))) if cancels else None


async def create(ask: Ask) -> Response:
    """Start a run in the background."""
    started = await start(ask)
    row = await ask.service.run(started.run_id, started.thread)
    row = {**row, "multitask_strategy": started.body.strategy}
    ask.headers.update(place_of(started.run_id, started.thread))
    return ask.answer(shapes.run(row, started.thread, ask.shown(row["metadata"])))


async def wait(ask: Ask) -> Response:
    """Start a run and answer with its output."""
    started = await start(ask)
    ask.headers.update(place_of(started.run_id, started.thread, "join"))
    return await _output(ask, started, cancels=started.body.cancels)


async def join(ask: Ask) -> Response:
    """The output of a run that is there, when it has ended."""
    row, thread = await ask.run()
    return await _output(ask, Started(row["run_id"], thread), cancels=False)


async def _output(ask: Ask, started: Started, *, cancels: bool) -> Response:
    """The output, or `__error__` with what the run raised; nobody waits for a client that has gone."""
    result = asyncio.ensure_future(ask.service.result(started.run_id, started.thread))
    left = asyncio.ensure_future(gone(ask.request))
    try:
        await asyncio.wait({result, left}, return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            if cancels:
                await _cancel_quietly(ask, started)
            return ask.nothing(499)
        try:
            return ask.answer(result.result())
        except Exception as error:
            return ask.answer({"__error__": error_data(error)})
    finally:
        for future in (result, left):
            future.cancel()
        await asyncio.gather(result, left, return_exceptions=True)


async def _cancel_quietly(ask: Ask, started: Started) -> None:
    await ask.service.cancel(started.run_id, started.thread, rollback=False)


async def listed(ask: Ask) -> Response:
    """Runs of a thread, the newest first."""
    query = ask.request.query_params
    limit, offset = query_count(query, "limit", 10), query_count(query, "offset", 0)
    status = query.get("status")
    thread = (await ask.thread())["thread_id"]
    if not status:
        rows = await ask.service.runs(thread, None, limit, offset)
    elif status == "timeout":  # runs here end without one
        rows = []
    elif status not in _STATUSES:
        raise bad(f"status is one of {', '.join(_STATUSES)}, not {status[:40]!r}.")
    else:
        found = [await ask.service.runs(thread, ours, limit + offset, 0) for ours in _STATUSES[status]]
        rows = sorted((row for some in found for row in some), key=lambda row: -row["began_ms"])
        rows = rows[offset : offset + limit]
    select = query_texts(query, "select")
    shown = (shapes.run(row, thread, ask.shown(row["metadata"])) for row in rows)
    return ask.answer([shapes.narrowed(row, select) for row in shown])


async def get(ask: Ask) -> Response:
    """One run."""
    row, thread = await ask.run()
    return ask.answer(shapes.run(row, thread, ask.shown(row["metadata"])))


async def cancel(ask: Ask) -> Response:
    """End a run: `wait=1` answers when it is over, `action=rollback` takes back what it has done, and deletes it."""
    rollback, waits = _rolls_back(ask), query_flag(ask.request.query_params, "wait")
    row, thread = await ask.run("update")
    await end(ask, row, thread, rollback=rollback, waits=waits)
    return ask.nothing(204 if waits else 202)


def _rolls_back(ask: Ask) -> bool:
    action = ask.request.query_params.get("action") or "interrupt"
    if action not in ("interrupt", "rollback"):
        raise bad(f"action is interrupt or rollback, not {action[:40]!r}.")
    return action == "rollback"


async def end(ask: Ask, row: dict[str, Any], thread: str | None, *, rollback: bool, waits: bool) -> None:
    """End a run, if it has not ended."""
    run_id = row["run_id"]
    if row["status"] in shapes.OPEN:
        await ask.service.cancel(run_id, thread, rollback=rollback)
        if waits or rollback:
            await ask.ended(run_id, thread)
    if rollback:
        await ask.service.delete_run(run_id, thread)


async def cancel_many(ask: Ask) -> Response:
    """End runs of a thread: those that are named, or all that wait or run."""
    fields = ask.fields
    thread, named = fields.text("thread_id"), fields.texts("run_ids")
    status = fields.choice("status", ("pending", "running", "all"))
    rollback = _rolls_back(ask)
    if not thread:
        raise bad("thread_id is missing: drumline has no list of the runs of all threads.")
    ask.request.path_params["thread_id"] = thread
    await ask.thread("update")
    rows = await ask.service.runs(thread, limit=1000)
    wanted = {"pending": ("queued",), "running": ("open",)}.get(status, shapes.OPEN)
    for row in rows:
        if row["run_id"] in named or (not named and row["status"] in wanted):
            await end(ask, row, thread, rollback=rollback, waits=False)
    return ask.nothing()


async def delete(ask: Ask) -> Response:
    """Nothing of a run is kept."""
    row, thread = await ask.run("delete")
    await ask.service.delete_run(row["run_id"], thread)
    return ask.nothing()


async def batch(ask: Ask) -> Response:
    """Start several runs that are on no thread."""
    if not isinstance(ask.body, list) or len(ask.body) > 100:
        raise bad("The body must be a list of at most 100 runs.")
    shown = []
    for given in ask.body:
        started = await start(ask, given)
        row = await ask.service.run(started.run_id, None)
        shown.append(shapes.run(row, None, ask.shown(row["metadata"])))
    return ask.answer(shown)
