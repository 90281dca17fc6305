"""What a run machine holds, as plain data: to compare the live one with the one that recovery makes."""

from typing import Any

from drumline_coordinator.recovery import slot_of
from drumline_coordinator.run import OPEN, Run
from drumline_coordinator.tasks import DONE, INTERRUPTED, PARKED, PLANNED, RUNNING, Scope, Task
from drumline_protocol.codec import Boxed, unbox


def image(run: Run) -> dict[str, Any] | None:
    """Everything that decides what the machine does next; None for a run that ended.

    A parked task counts as planned: a new owner tries it again.
    """
    if run.status is not OPEN:
        return None
    scopes = {run.root.ns: run.root} if run.root is not None else {}
    scopes.update((task.scope.ns, task.scope) for task in run.tasks.values())
    return {
        "running": run.running,
        "ready": sorted([t.id for t in run.ready] + [t.id for t in run.tasks.values() if t.status == PARKED]),
        "scopes": {ns: _scope(scope) for ns, scope in scopes.items()},
        "slots": sorted(slot_of(task.id, task.attempt) for task in run.tasks.values() if _is_sent(task)),
    }


def _scope(scope: Scope) -> dict[str, Any]:
    state = scope.state
    return {
        "step": scope.step,
        "stop": scope.stop,
        "open": scope.open,
        "parent": scope.parent.id if scope.parent is not None else "",
        "cells": dict(state.cells),
        "versions": dict(state.versions),
        "seen": {name: dict(versions) for name, versions in state.seen.items()},
        "top": state.top,
        "output": scope.output,
        "tasks": {task.id: _task(task) for task in scope.tasks.values()},
    }


def _task(task: Task) -> tuple[Any, ...]:
    done = task.status in (DONE, INTERRUPTED)
    return (
        task.name,
        task.path,
        tuple(task.triggers),
        task.phase,
        PLANNED if task.status == PARKED else task.status,
        task.attempt,
        task.lost,
        task.deaths,
        # Who did it, and how much was heard of him, matters until it is done.
        None if done else task.executor,
        None if done else task.n,
        None if task.writes is None else [list(pair) for pair in _plain(task.writes)],
        list(task.interrupts),
    )


def _plain(writes: Any) -> Any:
    return unbox(writes) if isinstance(writes, Boxed) else writes


def _is_sent(task: Task) -> bool:
    """Whether an entry of the task must be in a task stream."""
    return task.status == RUNNING and task.runs_on_worker


def troubles(run: Run) -> list[str]:
    """Counters of a machine that do not agree with what they count."""
    found = []
    sent = sum(map(_is_sent, run.tasks.values()))
    if run.status is OPEN and run.running != sent:
        found.append(f"running is {run.running}, {sent} tasks are")
    for scope in {id(task.scope): task.scope for task in run.tasks.values()}.values():
        open_tasks = sum(task.status not in (DONE, INTERRUPTED) for task in scope.tasks.values())
        if run.status is OPEN and scope.open != open_tasks:
            found.append(f"{scope} has {open_tasks} open tasks")
    return found


def differences(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where two images differ, one line each."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found: list[str] = []
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            found += differences(ours.get(key, "<nothing>"), theirs.get(key, "<nothing>"), f"{path}/{key}")
        return found
    return [] if ours == theirs else [f"{path}: {ours!r} / {theirs!r}"]
