"""Heads: a run's state as a few facts, from which recovery starts in place of the first fact of the log. Pure.

A head is a log made short: `RunStarted`, `RunKept`, and a `GraphKept` for each open graph. Who folds it, and then the
facts behind it, has the state that folding the whole log would give.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drumline_coordinator.cells import Kept
from drumline_coordinator.state import RunState
from drumline_coordinator.tasks import Scope, Task
from drumline_protocol.cells import cell_name
from drumline_protocol.checkpoints import CALLS_FROM
from drumline_protocol.facts import Fact, GraphKept, RunKept, RunStarted, TaskKept
from drumline_protocol.heads import versions_named


def head_facts(started: RunStarted, state: RunState, log_bytes: int, since: str = "") -> list[Fact]:
    """The state of an open run as facts. `since` is the log entry behind which the events of its open tasks lie."""
    heard = {id_: list(heard) for id_, heard in state.heard.items()}
    noticed = tuple(sorted(state.noticed))
    kept = RunKept(
        state.version, noticed, heard, log_bytes, since=since, checkpoint=state.checkpoint, drain=state.drain
    )
    facts: list[Fact] = [started, kept]
    if state.root is not None:
        facts += map(_graph, scopes_below(state.root))
    return facts


def scopes_below(scope: Scope) -> Iterator[Scope]:
    """A graph that is open, and those in its tasks."""
    yield scope
    for task in scope.tasks.values():
        if task.child is not None:
            yield from scopes_below(task.child)


def _graph(scope: Scope) -> GraphKept:
    state, kept = scope.state, scope.kept
    cells = {key: cell for key, cell in state.cells.items() if key not in kept}
    flags = [name for name in Scope.FLAGS if getattr(scope, name)]
    now = not scope.keeps_output or _is_now(scope)
    return GraphKept(
        scope.ns,
        scope.path,
        scope.step,
        cells,
        {key: list(how) if type(how) is Kept else how for key, how in kept.items()},
        state.versions,
        state.seen,
        None if now else scope.output,
        (*flags, *(("now",) if now and scope.output is not None else ())),
        [_task(task) for task in scope.tasks.values()],
        scope.stop,
        scope.checkpoint,
        left=[list(write) for write in scope.pending if write[0] not in scope.tasks or write[1] == CALLS_FROM],
    )


def _is_now(scope: Scope) -> bool:
    """Whether what the graph would return is what its cells hold."""
    output, now = scope.output, scope.state.read(scope.program, scope.program.output_keys)
    if isinstance(output, dict) and isinstance(now, dict):
        return output.keys() == now.keys() and all(output[key] is now[key] for key in now)
    return output is now


def _task(task: Task) -> TaskKept:
    names = task.names or {}
    return TaskKept(
        task.id,
        task.name,
        task.path,
        task.triggers,
        task.input if task.is_push else None,
        task.phase,
        task.story[-8:],
        task.attempt,
        task.lost,
        task.deaths,
        task.executor or "",
        task.n,
        task.writes and [[channel, names.get(id(value), value)] for channel, value in task.writes],
        list(task.interrupts),
        task.reason,
        list(task.answers),
        task.tries,
        task.first_ms,
        task.due_ms,
        task.called,
        task.failed,
        task.error,
        "" if task.caller is None else task.caller.id,
        task.call,
        task.code,
        task.calls_made,
        task.calls_from,
    )


def bases_in(facts: Sequence[Fact]) -> dict[str, int]:
    """The cells of the cell store that a head names, each with the lowest base that a reader of the head needs.

    That is the base of the newest version, or of an older one that the argument of a Send is made of.
    """
    bases: dict[str, int] = {}
    for fact in facts:
        if type(fact) is GraphKept:
            named = [(cell_name(fact.ns, key), how[1]) for key, how in fact.kept.items() if type(how) is list]
            for cell, base in (*named, *((at.cell, at.base) for at in versions_named(fact))):
                bases[cell] = min(base, bases.get(cell, base))
    return bases
