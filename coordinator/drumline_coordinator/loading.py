"""What a run must know of its thread before it begins: the root's checkpoint, and those of the graphs below it.

Written as generators that yield what is to be read, so that all callers share them. Pure.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from drumline_coordinator.checkpointing import planned_rows
from drumline_coordinator.resuming import Journey, journey, tasks_behind
from drumline_coordinator.thread_run import ThreadRun
from drumline_graph.graphs_within import graph_within
from drumline_graph.program import Program
from drumline_graph.superstep import State
from drumline_protocol.checkpoints import Saved, joined_ns, outcomes, split_ns
from drumline_protocol.errors import InvalidRequest
from drumline_protocol.facts import PlannedTask
from drumline_protocol.graph_paths import thread_ns
from drumline_protocol.replay import Replay


@dataclass(frozen=True, slots=True)
class Read:
    """A checkpoint to be read: the one with this id, or the newest one of its namespace (older than `before`)."""

    ns: str
    checkpoint: str = ""
    before: str = ""
    #: the graph that it is of, if the reader does not know that
    program: Program | None = None


Loading = Generator[Read, "Saved | None", dict[str, Saved]]


def load(program: Program, thread: ThreadRun, ns: str, input: Any) -> Loading:
    """The checkpoints that a run of the graph at `ns` begins from, by namespace; `thread` is told what else they say.

    They are the graph's own, those of the graphs in its open tasks, and those of graphs with one history for all their
    calls. A run that replays an old checkpoint finds the graphs below as they were then.
    """
    found: dict[str, Saved] = {}
    way: Journey | None = None
    saved = yield from _read(thread, ns)
    if saved is not None:
        found[ns] = saved
        thread.newest = saved.checkpoint.id
        if not saved.is_head:
            head = yield Read(ns)
            thread.newest = saved.checkpoint.id if head is None else head.checkpoint.id
        way = journey(thread, ns, saved, input, thread.resumes)
        if way.bound:
            thread.replay = Replay(way.bound)
    for below in histories(program, ns):
        kept = yield from _read(thread, below)
        if kept is not None:
            found[below] = kept
    if saved is not None and way is not None and way.resumes:
        yield from _load_below(program, thread, saved, found, ends=way.replays)
    return found


def _load_below(
    program: Program, thread: ThreadRun, saved: Saved, found: dict[str, Saved], *, ends: bool
) -> Generator[Read, Saved | None, None]:
    """The checkpoints of the graphs in the open tasks behind `saved`; `ends`: also in those that have ended."""
    for task in tasks_of(program, saved) if ends else open_tasks(program, saved):
        node = program.nodes.get(task.name)
        inner = None if node is None else node.subprogram
        if inner is None or inner.persists is False:
            continue
        ns = "|".join((*split_ns(saved.checkpoint.ns), f"{task.name}:{task.id}"))
        if inner.persists is True:
            below = found.get(thread_ns(ns))
        else:
            below = yield from _read(thread, ns)
        if below is not None:
            found[below.checkpoint.ns] = below
            yield from _load_below(inner, thread, below, found, ends=ends)


def _read(thread: ThreadRun, ns: str) -> Generator[Read, Saved | None, Saved | None]:
    """The checkpoint of one graph: the one that was named, or the newest, or that in front of what is replayed."""
    named = thread.addressed.get(ns, "")
    if not named and ns and thread.replay is not None and thread.replay.is_first(ns):
        return (yield Read(ns, before=thread.replay.bound))
    return (yield Read(ns, named))


def histories(program: Program, ns: str) -> Iterator[str]:
    """The namespaces of the graphs below one that have one history for all their calls."""
    for name, node in program.nodes.items():
        inner = node.subprogram
        if inner is not None and inner.persists is not False:
            below = thread_ns(f"{ns}|{name}" if ns else name)
            if inner.persists is True:
                yield below
            yield from histories(inner, below)


def program_at(program: Program, base: str, ns: str) -> Program | None:
    """The graph whose checkpoints have the namespace `ns`, within that of `program`, which is `base`.

    None for a graph that is not known: one that a node's code calls, and that does not show there.
    """
    for part in split_ns(ns)[len(split_ns(base)) :]:
        if part.isdecimal():  # the number of a call
            continue
        node = program.nodes.get(part.partition(":")[0])
        inner = None if node is None else graph_within(node)
        if inner is None:
            return None
        program = getattr(inner, "program", inner)
    return program


def graph_at(program: Program, ns: tuple[str, ...]) -> Program:
    """The graph that a run is of, whose root has this namespace. InvalidRequest if `program` has none there."""
    found = program_at(program, "", joined_ns(ns))
    if found is None:
        raise InvalidRequest(f"graph {program.name!r} has no graph within at {joined_ns(ns)!r}")
    return found


def open_tasks(program: Program, saved: Saved) -> list[PlannedTask]:
    """The tasks of the superstep behind a checkpoint that have no result."""
    done = {task for task, outcome in outcomes(saved.pending).items() if outcome.has_ended}
    return [task for task in tasks_of(program, saved) if task.id not in done]


def tasks_of(program: Program, saved: Saved) -> list[PlannedTask]:
    """The tasks of the superstep behind a checkpoint, as this graph plans them."""
    checkpoint = saved.checkpoint
    step = checkpoint.step + 1
    planned = tasks_behind(program, state_of(saved), step, step + 2)
    return planned_rows(program, checkpoint.id, split_ns(checkpoint.ns), planned, step)


def state_of(saved: Saved) -> State:
    """The state of the graph at a checkpoint."""
    checkpoint = saved.checkpoint
    seen = {name: dict(versions) for name, versions in checkpoint.seen.items()}
    return State(dict(checkpoint.cells), dict(checkpoint.versions), seen, max(checkpoint.versions.values(), default=0))
