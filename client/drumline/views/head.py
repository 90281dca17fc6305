"""A view that begins at a head of its run in place of the first fact: what its graphs and open tasks are there. Pure.

The view is then what it would be if it had folded all facts up to the head's. What tasks that are open there have
emitted is not in the head: the reader gives the view those facts too (`prime`), so that repeats of a later attempt are
left out, and the graphs that nodes have called are known. Which messages were ever shown stands nowhere but in the
whole log: a view of `messages` begins at a head only if the rest is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from drumline.views.called import CalledTask
from drumline.views.graphs import GraphView, OpenTask
from drumline.views.view import View
from drumline_graph.constants import START, TAG_HIDDEN
from drumline_protocol.cells import CellAt
from drumline_protocol.facts import (
    AttemptRetracted,
    Emitted,
    Fact,
    GraphEntered,
    GraphKept,
    PlannedTask,
    RunKept,
    TaskKept,
    TaskRetried,
)
from drumline_protocol.heads import versions_named

#: the last letter of the story of a task that has its result, and of one that asks
_DONE, _ASKS = "D", "I"
#: the letters of tasks that may still be heard of
_OPEN = "PRKT"


def needs_all_facts(view: View) -> bool:
    """Whether a head is not enough to go on from as if from the first fact."""
    return view._messages is not None


def begin_at(view: View, facts: Sequence[Fact], older: Mapping[CellAt, Any] = MappingProxyType({})) -> None:
    """Fold the facts of a head, whose values were read, into a view that is new.

    `older` are the versions of cells, other than the newest ones, that arguments in the head are made of.
    """
    for fact in facts:
        if type(fact) is GraphKept:
            _enter(view, fact, older)
        else:
            view.fold(fact)


def _enter(view: View, fact: GraphKept, older: Mapping[CellAt, Any]) -> None:
    view.fold(GraphEntered(fact.ns, fact.path, fact.cells))
    graph = view.graphs[fact.ns]
    graph.step = fact.step
    graph.leaving = "leaving" in fact.flags
    graph.output = graph.returned() if "now" in fact.flags else fact.output
    graph.note_made_of({at: older[at] for at in versions_named(fact) if at in older})
    for row in fact.tasks:
        planned = PlannedTask(row.id, row.name, row.path, row.triggers, None, _is_hidden(graph, row))
        caller = view._open.get(row.caller)
        view._open[row.id] = OpenTask(graph, planned) if caller is None else CalledTask(graph, planned, caller)
        graph.tasks.append(row.id)
        if view.folds_cells and row.story[-1:] == _DONE:
            graph.note_finished(planned, row.writes or [], arguments=view.shows_arguments)
    if view._messages is not None:
        view._messages.add_input(fact.cells)


def _is_hidden(graph: GraphView, row: TaskKept) -> bool:
    node = graph.node(row.name)
    return row.name == START or (node is not None and TAG_HIDDEN in node.tags)


def events_lie_behind(facts: Iterable[Fact]) -> str | None:
    """The log entry behind which the events of the tasks lie that are open at a head; None if they have none."""
    if any(row.n or row.attempt > 1 for row in _open_tasks(facts)):
        return next((fact.since or "0-0" for fact in facts if type(fact) is RunKept), "0-0")
    return None


def _open_tasks(facts: Iterable[Fact]) -> list[TaskKept]:
    rows = [row for fact in facts if type(fact) is GraphKept for row in fact.tasks]
    return [row for row in rows if row.story[-1:] in _OPEN]


def open_tasks_in(facts: Iterable[Fact]) -> set[str]:
    """The ids of the tasks that are open at a head."""
    return {row.id for row in _open_tasks(facts)}


def forget_events(view: View, task: str) -> None:
    """What a task had emitted is not known from its beginning: nothing of its next attempt can be told to repeat it."""
    known = view._open.get(task)
    if known is not None:
        known.forget_told()


def prime(view: View, head: Sequence[Fact], events: Iterable[Fact]) -> None:
    """Give a view that began at `head` what its open tasks had emitted until then; it shows nothing of it."""
    open_tasks = open_tasks_in(head)
    for fact in events:
        if type(fact) in (Emitted, AttemptRetracted, TaskRetried) and fact.task in open_tasks:  # type: ignore[union-attr]
            view.fold(fact)


def tells_output(facts: Iterable[Fact], view: View) -> bool:
    """Whether a head tells a reader of the output all that came before it.

    Not if several tasks ask, since it has lost in which order; nor if other keys than those of the graph's output are
    asked for, and these may have been cleared since they were shown.
    """
    root = _root(facts)
    if root is None or sum(row.story[-1:] == _ASKS for row in root.tasks) > 1:
        return False
    return root.output is None or (view._outputs and view._output_keys is None)


def shown_at(view: View, facts: Sequence[Fact]) -> list[Any]:
    """The items of the root's `values` by which a reader of the output knows what came before a head."""
    root, graph = _root(facts), view.root
    view._out = []
    if root is not None and graph is not None:
        keys = (graph.keys,) if isinstance(graph.keys, str) else graph.keys
        if any(key in root.versions for key in keys):
            view.emit_values(graph.ns, graph.values() if root.output is None else root.output)
        for row in root.tasks:
            if row.story[-1:] == _ASKS:
                view.emit_values(graph.ns, graph.values(), tuple(row.interrupts))
    return view._out


def _root(facts: Iterable[Fact]) -> GraphKept | None:
    return next((fact for fact in facts if type(fact) is GraphKept), None)
