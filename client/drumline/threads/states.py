"""What is read of a thread to show its state: the checkpoint, and those of the graphs in its tasks.

Written as generators that yield what is to be read, like `loading`. No IO.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from drumline.threads.loading import Read, tasks_of
from drumline.threads.snapshots import no_snapshot, snapshot
from drumline_graph.graphs_within import graphs_within
from drumline_graph.program import Program
from drumline_graph.types import StateSnapshot
from drumline_protocol.checkpoints import Saved, split_ns
from drumline_protocol.graph_paths import thread_ns

Showing = Generator[Read, "Saved | None", StateSnapshot]


def show(program: Program, thread: str, ns: str, id_: str, config: Any, *, subgraphs: bool) -> Showing:
    """The state of the graph at `ns`: at the checkpoint `id_`, or as the thread stands.

    `config` is shown of a thread without checkpoints; `subgraphs`: with the states of the graphs in tasks.
    """
    saved = yield Read(ns, id_, program=program)
    if saved is None:
        return no_snapshot(config)
    below = places_below(program, thread, saved)
    if subgraphs:
        graphs = graphs_within(program)
        names = {row.id: row.name for row in tasks_of(program, saved)}
        for id_below, place in list(below.items()):
            inner: Program = graphs[names[id_below]].program
            inner_ns = thread_ns(place["configurable"]["checkpoint_ns"], stable=inner.persists is True)
            config = {"configurable": {**place["configurable"], "checkpoint_ns": inner_ns}}
            below[id_below] = yield from show(inner, thread, inner_ns, "", config, subgraphs=True)
    return snapshot(program, thread, saved, live=not id_, below=below)


def places_below(program: Program, thread: str, saved: Saved) -> dict[str, Any]:
    """Where the graphs in the tasks behind a checkpoint have their own, as configs by task id."""
    graphs, ns = graphs_within(program), saved.checkpoint.ns
    if not graphs:
        return {}
    return {
        row.id: {
            "configurable": {
                "thread_id": thread,
                "checkpoint_ns": "|".join((*split_ns(ns), f"{row.name}:{row.id}")),
            }
        }
        for row in tasks_of(program, saved)
        if row.name in graphs
    }
