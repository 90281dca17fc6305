"""A view that tells the facts themselves, among the items that they add: what a page shows which a person watches.

A fact tells what no stream mode does: which worker runs an attempt, what was taken over and why, what waits and until
when. Values are left out: the items have them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from drumline.views.events import Errors
from drumline.views.view import View
from drumline_graph.constants import PUSHED
from drumline_protocol import facts as f
from drumline_protocol.codec import unbox
from drumline_protocol.facts import Fact
from drumline_protocol.failure import Failure, rebuild

#: fields of each kind of fact that are told as they are
_FIELDS: dict[type, tuple[str, ...]] = {
    f.GraphEntered: ("path", "task"),
    f.GraphExited: (),
    f.Emitted: ("task", "attempt", "executor"),
    f.TaskFinished: ("task", "attempt", "executor", "at_ms", "cached"),
    f.TaskFailed: ("task", "attempt", "executor", "at_ms"),
    f.ErrorHandled: ("task", "id", "name", "at_ms"),
    f.TaskInterrupted: ("task", "attempt", "executor", "at_ms"),
    f.TaskLeft: ("task",),
    f.TaskCalled: ("task", "caller", "name", "at_ms"),
    f.TaskAnswered: ("task",),
    f.AttemptRetracted: ("task", "attempt", "reason", "died", "executor", "at_ms"),
    f.TaskRetried: ("task", "attempt", "due_ms", "executor", "at_ms"),
    f.TaskParked: ("task", "reason"),
    f.RoutingStarted: ("task",),
    f.StepCommitted: ("step", "at_ms", "written"),
    f.GraphPaused: ("step", "at_ms", "stopped"),
    f.Checkpointed: ("id", "parent", "source", "step", "at_ms"),
    f.InputTaken: ("at_ms",),
    f.GraphResumed: ("at_ms",),
    f.DrainRequested: ("reason",),
    f.Noticed: ("text",),
}


class TellingView(View):
    """A `View` with the mode `facts`: an item of it, `{"fact": its kind, ...}`, comes before those that the fact adds.

    A fact that a reader has no use for is left out, as is one of a kind that is not known here.
    """

    def fold_all(self, facts: Iterable[Fact]) -> list[Any]:
        """The items that these facts add to the stream, in order."""
        out: list[Any] = []
        for fact in facts:
            told = told_of(fact, self._errors)
            if told is not None:
                out.append(self._shape(getattr(fact, "ns", ()), "facts", told))
            out.extend(super().fold_all((fact,)))
        self._out = out
        return out


def told_of(fact: Fact, errors: Errors = ()) -> dict[str, Any] | None:
    """What is told of a fact: its kind as `fact`, and fields of it. None: nothing."""
    kind = type(fact)
    told: dict[str, Any] = {"fact": kind.__name__}
    special = _SPECIAL.get(kind)
    if special is not None:
        told.update(special(fact))
    elif kind in _FIELDS:
        told.update((name, getattr(fact, name)) for name in _FIELDS[kind])
    else:
        return None
    error = getattr(fact, "error", None)
    if error is not None:
        told["error"] = rebuild(error, errors) if type(error) is Failure else error
    if kind is f.TaskInterrupted:
        told["interrupts"] = list(unbox(fact.interrupts))  # type: ignore[union-attr]
    return told


def _of_start(fact: f.RunStarted) -> dict[str, Any]:
    sketches = unbox(fact.sketches) or {}
    return {
        "run_id": fact.run_id,
        "graph": fact.graph,
        "thread": fact.thread.get("thread_id"),
        "nodes": {path: list(sketch.nodes) for path, sketch in sketches.items()},
        "recorded": list(fact.recorded),
        "at_ms": fact.at_ms,
    }


def _of_plan(fact: f.PlanMade) -> dict[str, Any]:
    tasks = [
        {"id": task.id, "name": task.name, "hidden": task.hidden, "sent": task.path[:1] == PUSHED}
        for task in fact.tasks
    ]
    return {"step": fact.step, "stop": fact.stop, "at_ms": fact.at_ms, "tasks": tasks}


def _of_end(fact: f.RunFinished) -> dict[str, Any]:
    return {"status": fact.status, "at_ms": fact.at_ms}


_SPECIAL: dict[type, Callable[[Any], dict[str, Any]]] = {
    f.RunStarted: _of_start,
    f.PlanMade: _of_plan,
    f.RunFinished: _of_end,
}
