"""How much of a thread is kept: `Retention`, for clusters, graphs, threads, and savers; and `prune`, for any saver."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from datetime import datetime, timezone
from inspect import signature
from typing import Any

from drumline_graph.constants import INTERRUPT
from drumline_graph.errors import FeatureNotBuilt
from drumline_protocol.checkpoints import ERROR, RESUME
from drumline_protocol.retention import LATEST, Retention

__all__ = ["Retention", "aprune", "prune"]

#: what a saver is asked: the name of its method, and the arguments
_Asked = tuple[str, tuple[Any, ...], dict[str, Any]]
_Pruning = Generator[_Asked, Any, None]

#: of all that a saver holds, the threads: it has no method for that alone
_THREADS = "list"


def prune(saver: Any, thread_ids: Sequence[str] | None = None, *, retention: Retention) -> None:
    """Apply rules to threads that a saver keeps, drumline's or one of LangGraph's interface; without ids, to all.

    Such a saver can delete a thread, and some can leave its newest checkpoint alone. So of the rules `max_age` counts
    from the newest checkpoint of a thread, and decides about the whole of it; `max_checkpoints` can be 1. The saver
    drops nothing, and FeatureNotBuilt is raised, for `max_bytes`, for another number, and where the newest checkpoint
    is to stay and it cannot do that. No run may be at work on these threads.
    """
    if _takes_rules(saver):
        saver.prune(thread_ids, retention=retention)
        return
    steps = _pruning(saver, thread_ids, retention)
    answer: Any = None
    while (asked := _next(steps, answer)) is not None:
        name, given, named = asked
        found = getattr(saver, name)(*given, **named)
        answer = _threads(found) if name == _THREADS else found


async def aprune(saver: Any, thread_ids: Sequence[str] | None = None, *, retention: Retention) -> None:
    """The twin of `prune` for an event loop. A saver that has sync methods only is called in a thread."""
    if _takes_rules(saver):
        await saver.aprune(thread_ids, retention=retention)
        return
    steps = _pruning(saver, thread_ids, retention)
    answer: Any = None
    while (asked := _next(steps, answer)) is not None:
        answer = await _aanswer(saver, *asked)


def _takes_rules(saver: Any) -> bool:
    return "retention" in signature(saver.prune).parameters if hasattr(saver, "prune") else False


def _next(steps: _Pruning, answer: Any) -> _Asked | None:
    try:
        return steps.send(answer)
    except StopIteration:
        return None


def _pruning(saver: Any, thread_ids: Sequence[str] | None, rules: Retention) -> _Pruning:
    _check(saver, rules)
    if not rules.is_bounded:
        return
    threads: Sequence[str] = (yield _THREADS, (None,), {}) if thread_ids is None else thread_ids
    for thread in map(str, threads):
        newest = yield "get_tuple", ({"configurable": {"thread_id": thread, "checkpoint_ns": ""}},), {}
        if newest is None:
            continue
        is_old = rules.seconds is not None and _age_s(newest) > rules.seconds
        if is_old and not rules.spares_latest(waits=_waits(newest)):
            yield "delete_thread", (thread,), {}
        elif rules.max_checkpoints is not None or (is_old and rules.keep == LATEST):
            yield "prune", ([thread],), {"strategy": "keep_latest"}


def _check(saver: Any, rules: Retention) -> None:
    kind = type(saver).__name__
    advice = (
        f"{kind} can delete a thread, and no single checkpoint. Use Retention(max_age=..., keep='none' or "
        "'interrupted'), or a saver of drumline's"
    )
    if rules.max_bytes is not None:
        raise FeatureNotBuilt("Retention.max_bytes", f"for threads in {kind}", f"{advice}.")
    if rules.max_checkpoints not in (None, 1):
        raise FeatureNotBuilt(
            f"Retention.max_checkpoints={rules.max_checkpoints}", f"for threads in {kind}", f"{advice}, or 1."
        )
    keeps_one = rules.max_checkpoints == 1 or (rules.seconds is not None and rules.keep == LATEST)
    if keeps_one and not _leaves_one(saver):
        raise FeatureNotBuilt("a Retention that leaves the newest checkpoint", f"{kind} has no prune()", f"{advice}.")


def _leaves_one(saver: Any) -> bool:
    """Whether the saver's class has a `prune` of its own: that of LangGraph's base class only raises."""
    own = getattr(type(saver), "prune", None)
    return own is not None and not own.__qualname__.startswith("BaseCheckpointSaver.")


def _age_s(found: Any) -> float:
    made = datetime.fromisoformat(str(found.checkpoint["ts"]).replace("Z", "+00:00"))
    if made.tzinfo is None:
        made = made.replace(tzinfo=timezone.utc)
    return (datetime.now(timezone.utc) - made).total_seconds()


def _waits(found: Any) -> bool:
    """Whether a task behind a checkpoint has asked or failed, and has not ended."""
    written = found.pending_writes or ()
    stopped = {task for task, channel, _ in written if channel in (INTERRUPT, ERROR)}
    return bool(stopped - {task for task, channel, _ in written if channel not in (INTERRUPT, ERROR, RESUME)})


async def _aanswer(saver: Any, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
    if name != _THREADS:
        from drumline.langgraph.saver_calls import acall

        return await acall(saver, name, *given, **named)
    try:
        return list(dict.fromkeys([_thread(found) async for found in saver.alist(*given)]))
    except NotImplementedError:
        return await asyncio.to_thread(lambda: _threads(saver.list(*given)))


def _threads(found: Any) -> list[str]:
    return list(dict.fromkeys(map(_thread, found)))


def _thread(found: Any) -> str:
    return str(found.config["configurable"]["thread_id"])
