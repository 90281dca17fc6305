"""Threads: made, found, changed, copied, deleted."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from drumline_gateway import shapes
from drumline_gateway.ask import Ask
from drumline_gateway.bodies import ROWS_MAX, Fields, checked_id, new_thread_id, query_texts
from drumline_gateway.errors import bad
from drumline_gateway.extracts import extracted, paths_in, roots_of
from drumline_gateway.json_values import plain
from drumline_gateway.places import snapshot_of
from drumline_gateway.service import Row
from drumline_gateway.supersteps import Steps, steps_in
from drumline_protocol.errors import ThreadExists, UnknownThread
from drumline_protocol.retention import Retention

#: threads that one search looks at, at most
SEARCHED_MAX = 10_000
#: minutes that a thread may be kept: a thousand years
TTL_MINUTES_MAX = 526_000_000
#: keys of a shown thread that its newest state tells
_OF_STATE = frozenset({"values", "interrupts", "error"})
#: what may be told of a thread beside
_INCLUDED = ("ttl",)
_SORTED = {"thread_id": "thread_id", "status": "status", "created_at": "created_ms", "updated_at": "updated_ms"}
_STATUS = {theirs: ours for ours, theirs in shapes.THREAD_STATUS.items()}


async def create(ask: Ask) -> Response:
    """Make a thread; one that is there is refused (409), or is as good (`if_exists: do_nothing`)."""
    fields = ask.fields
    given = fields.text("thread_id")
    thread = checked_id("thread", given) if given else new_thread_id()
    if_exists = fields.choice("if_exists", ("raise", "do_nothing"), "raise")
    asked = await ask.allow(
        "threads", "create", {"thread_id": thread, "metadata": fields.dict("metadata"), "if_exists": if_exists}
    )
    metadata = ask.stamped(asked.get("metadata") or {})
    steps, rules = await steps_in(ask, fields, metadata), _rules(fields)
    try:
        row = await ask.service.make_thread(thread, metadata, refuse=steps is not None or if_exists == "raise")
    except ThreadExists:
        if if_exists == "raise":
            raise
        row, steps = await ask.service.thread(thread), None
    if not ask.sees(row["metadata"]):
        raise UnknownThread(thread)
    if steps is not None:
        row = await _filled(ask, row, steps)
    if rules is not None:
        await ask.service.keep(thread, rules)
    return ask.answer(await _shown(ask, row))


async def _filled(ask: Ask, row: Row, steps: Steps) -> Row:
    """A thread that was just made, with the history that its client gave; none at all if that cannot be."""
    thread = row["thread_id"]
    config = {"configurable": {"thread_id": thread}, "metadata": ask.stamped({"graph_id": steps.graph})}
    try:
        await ask.service.update(steps.graph, thread, config, steps.updates)
    except BaseException:
        await ask.service.delete_thread(thread)
        raise
    return await ask.service.thread(thread)


async def get(ask: Ask) -> Response:
    """One thread, with its newest values; with `include=ttl` also how long it is kept."""
    asked = query_texts(ask.request.query_params, "include")
    strange = [part for part in asked if part not in _INCLUDED]
    if strange:
        raise bad(f"include names {strange[0][:40]!r}: it is a list of {', '.join(_INCLUDED)}.")
    row = await ask.thread()
    shown = await _shown(ask, row)
    if "ttl" in asked:
        shown["ttl"] = shapes.ttl(row, await ask.service.rules(row["thread_id"]))
    return ask.answer(shown)


async def patch(ask: Ask) -> Response:
    """Add to the metadata of a thread, or say how long it is kept."""
    fields = ask.fields
    rules = _rules(fields)
    row = await ask.thread("update", metadata=fields.dict("metadata"))
    row = await ask.service.note(row["thread_id"], ask.stamped(fields.dict("metadata")))
    if rules is not None:
        await ask.service.keep(row["thread_id"], rules)
    if ask.request.headers.get("prefer", "").replace(" ", "") == "return=minimal":
        return ask.nothing()
    return ask.answer(await _shown(ask, row))


async def delete(ask: Ask) -> Response:
    """Nothing of a thread is kept, nor of its runs."""
    row = await ask.thread("delete")
    await ask.service.delete_thread(row["thread_id"])
    return ask.nothing()


async def copy(ask: Ask) -> Response:
    """A new thread with the history and the metadata of this one."""
    row = await ask.thread()
    to = new_thread_id()
    asked = await ask.allow("threads", "create", {"thread_id": to, "metadata": dict(row["metadata"])})
    made = await ask.service.copy_thread(row["thread_id"], to, ask.stamped(asked.get("metadata") or {}))
    return ask.answer(await _shown(ask, made))


async def prune(ask: Ask) -> Response:
    """Delete threads, or keep only their newest checkpoints."""
    fields = ask.fields
    strategy = fields.choice("strategy", ("delete", "keep_latest"), "delete")
    threads = [checked_id("thread", thread) for thread in fields.texts("thread_ids")]
    pruned = []
    for thread in threads:
        await ask.allow("threads", "delete", {"thread_id": thread})
        try:
            row = await ask.service.thread(thread)
        except UnknownThread:
            continue
        if ask.sees(row["metadata"]):
            pruned.append(thread)
    await ask.service.prune(pruned, "delete" if strategy == "delete" else "keep_latest")
    return ask.answer({"pruned_count": len(pruned)})


async def search(ask: Ask) -> Response:
    """Threads that are what the body says, a page of them."""
    fields = ask.fields
    limit, offset = fields.count("limit", 10), fields.count("offset", 0, SEARCHED_MAX)
    select = fields.texts("select")
    paths = paths_in(fields)
    found = await _found(ask, fields, offset + limit + 1)
    page = found[offset : offset + limit]
    if offset + limit < len(found):
        ask.headers["X-Pagination-Next"] = str(offset + limit)
    needs_state = not select or bool(_OF_STATE.intersection([*select, *roots_of(paths)]))
    answer = []
    for row in page:
        shown = await _shown(ask, row, needs_state=needs_state)
        told = {"extracted": extracted(shown, paths)} if paths else {}
        answer.append({**shapes.narrowed(shown, select), **told})
    return ask.answer(answer)


async def count(ask: Ask) -> Response:
    """How many threads are what the body says."""
    return ask.answer(len(await _found(ask, ask.fields, SEARCHED_MAX)))


async def _found(ask: Ask, fields: Fields, needed: int) -> list[Row]:
    """What a search finds, in its order; `needed` rows are enough."""
    metadata, values, ids = fields.dict("metadata"), fields.dict("values"), fields.texts("ids")
    status = _STATUS.get(fields.choice("status", tuple(_STATUS)))
    sort_by = fields.choice("sort_by", tuple(_SORTED), "updated_at")
    descends = fields.choice("sort_order", ("asc", "desc"), "desc") == "desc"
    asked = await ask.allow("threads", "search", {"metadata": metadata, "values": values, "limit": ROWS_MAX})
    wanted = dict(asked.get("metadata") or {})
    is_as_it_comes = sort_by == "updated_at" and descends
    if ids:
        rows = [row for row in await _named(ask, ids) if status in (None, row["status"]) and _has(row, wanted)]
    else:
        plain_filter = {key: value for key, value in (ask.filter or {}).items() if not isinstance(value, Mapping)}
        exact = len(plain_filter) == len(ask.filter or {})
        enough = needed if is_as_it_comes and exact and not values else SEARCHED_MAX
        rows = await ask.service.threads(status, {**wanted, **plain_filter}, enough)
    rows = [row for row in rows if ask.sees(row["metadata"])]
    if values:
        rows = [row for row in rows if await _has_values(ask, row, values)]
    if ids or not is_as_it_comes:
        rows.sort(key=lambda row: row[_SORTED[sort_by]], reverse=descends)
    return rows


async def _named(ask: Ask, ids: list[str]) -> list[Row]:
    rows = []
    for thread in dict.fromkeys(ids):
        with contextlib.suppress(UnknownThread):
            rows.append(await ask.service.thread(checked_id("thread", thread)))
    return rows


def _has(row: Row, metadata: Mapping[str, Any]) -> bool:
    return all(key in row["metadata"] and row["metadata"][key] == value for key, value in metadata.items())


async def _has_values(ask: Ask, row: Row, values: Mapping[str, Any]) -> bool:
    snapshot = await snapshot_of(ask, row)
    found = plain(snapshot.values) if snapshot is not None else None
    return isinstance(found, dict) and all(key in found and found[key] == value for key, value in values.items())


async def _shown(ask: Ask, row: Row, *, needs_state: bool = True) -> Row:
    state = await snapshot_of(ask, row) if needs_state else None
    return shapes.thread(row, ask.shown(row["metadata"]), state)


def _rules(fields: Fields) -> Retention | None:
    """The `ttl` of a body: minutes, or these and a strategy. HttpError 422."""
    given = fields.all.get("ttl")
    if given is None:
        return None
    asked = Fields(given if isinstance(given, dict) else {"ttl": given}, "ttl")
    minutes, strategy = asked.all.get("ttl"), asked.choice("strategy", ("delete", "keep_latest"), "delete")
    if isinstance(minutes, bool) or not isinstance(minutes, (int, float)) or not 0 < minutes < TTL_MINUTES_MAX:
        raise bad("ttl must be a number of minutes, more than 0.")
    return Retention(max_age=minutes * 60, keep="none" if strategy == "delete" else "latest")
