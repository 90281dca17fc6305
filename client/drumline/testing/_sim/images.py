"""What a run machine holds, as plain data: to compare the live one with the one that recovery makes."""

from __future__ import annotations

from typing import Any

from drumline_coordinator.recovery import attempt_key
from drumline_coordinator.run import Run
from drumline_coordinator.tasks import DELAYED, OPEN, PARKED, PLANNED, Scope, Task
from drumline_protocol.codec import Codec

#: statuses that end without a fact
WAITING = (PARKED, DELAYED)


def image(run: Run) -> dict[str, Any] | None:
    """Everything that decides what the machine does next; None for a run that ended.

    A parked task counts as planned: a new owner tries it again. So does one that waits for its next try: its timer
    may have rung while there was no room for it.
    """
    state = run.state
    if not state.is_open:
        return None
    return {
        "running": state.running,
        "ready": sorted([*state.ready, *(t.id for t in state.tasks.values() if t.status in WAITING)]),
        "scopes": {ns: _scope(scope) for ns, scope in state.scopes.items()},
        "attempts": sorted(attempt_key(task.id, task.attempt) for task in state.tasks.values() if task.is_sent),
        "noticed": sorted(state.noticed),
        "version": state.version,
        "heard": dict(state.heard),
    }


def _scope(scope: Scope) -> dict[str, Any]:
    state = scope.state
    return {
        "step": scope.step,
        "stop": scope.stop,
        "open": scope.open_tasks,
        "leaving": scope.leaving,
        "asks": scope.asks,
        "fails": scope.fails,
        "paused": scope.paused,
        "parent": scope.parent.id if scope.parent is not None else "",
        "cells": dict(state.cells),
        "versions": dict(state.versions),
        "seen": {name: dict(versions) for name, versions in state.seen.items()},
        "top": state.top,
        "kept": dict(scope.kept),
        "output": scope.output,
        "tasks": {task.id: _task(task) for task in scope.tasks.values()},
    }


def _task(task: Task) -> tuple[Any, ...]:
    done = task.status not in OPEN
    return (
        task.name,
        task.path,
        tuple(task.triggers),
        task.phase,
        PLANNED if task.status in WAITING else task.status,
        task.attempt,
        task.lost,
        task.deaths,
        None if done else task.executor,  # who did it does not matter any more
        task.n,
        None if task.writes is None else [list(pair) for pair in task.writes],
        list(task.interrupts),
        (task.tries, task.first_ms),
    )


def differences(ours: Any, theirs: Any, codec: Codec, path: str = "") -> list[str]:
    """Where two images differ, one line each."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found: list[str] = []
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            found += differences(ours.get(key, "<nothing>"), theirs.get(key, "<nothing>"), codec, f"{path}/{key}")
        return found
    return [] if _is_same(ours, theirs, codec) else [f"{path}: {ours!r} / {theirs!r}"]


def _is_same(ours: Any, theirs: Any, codec: Codec) -> bool:
    """Equal, or the same bytes on the wire: a user's class need not say when two of its objects are equal."""
    try:
        if ours == theirs:
            return True
    except Exception:  # arrays of numpy have no single answer
        pass
    try:
        return bool(codec.encode(ours) == codec.encode(theirs))
    except Exception:  # what no codec takes was never written, and is the live machine's alone
        return False
