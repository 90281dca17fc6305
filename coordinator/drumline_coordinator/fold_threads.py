"""What the facts mean that only runs on threads have: a part of the fold. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drumline_coordinator.cells import fold_kept
from drumline_coordinator.state import RunState
from drumline_graph.constants import INTERRUPT
from drumline_graph.delta import patched
from drumline_protocol.checkpoints import outcomes
from drumline_protocol.codec import unbox
from drumline_protocol.facts import Checkpointed, GraphResumed, InputTaken, TaskAnswered, UpdateBegun
from drumline_protocol.step_changes import decoded_changes


def _taken(state: RunState, fact: InputTaken) -> None:
    scope = state.scopes[fact.ns]
    changed = fact.cells
    if changed is None:
        changed = patched(scope.state.cells, decoded_changes(fact.changes, _nothing))
    if changed:
        state.version += 1
    scope.state.advance(scope.program, changed, fact.dropped, state.version)
    if fact.kept or scope.kept:
        fold_kept(scope, state.version, fact.changes, fact.kept)


def _nothing(_channel: str) -> list[Any]:
    return []


def _checkpointed(state: RunState, fact: Checkpointed) -> None:
    scope = state.scopes[fact.ns]
    scope.checkpoint, scope.step = fact.id, fact.step
    if fact.goes_on:
        scope.pending, scope.left = fact.pending, outcomes(fact.pending)
    state.checkpoint = max(state.checkpoint, fact.id)


def _update_begun(state: RunState, fact: UpdateBegun) -> None:
    state.scopes[fact.ns].updates = fact.rest


def _resumed(state: RunState, fact: GraphResumed) -> None:
    scope = state.scopes[fact.ns]
    scope.resumed = True
    scope.state.seen[INTERRUPT] = dict(scope.state.versions)


def _answered(state: RunState, fact: TaskAnswered) -> None:
    state.tasks[fact.task].answers = list(unbox(fact.answers))


THREAD_FOLDS: dict[type, Callable[[RunState, Any], None]] = {
    InputTaken: _taken,
    Checkpointed: _checkpointed,
    UpdateBegun: _update_begun,
    GraphResumed: _resumed,
    TaskAnswered: _answered,
}
