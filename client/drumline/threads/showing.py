"""Reading how a thread stands, and what it was, for the state API: sync and async.

A graph imports it when it is asked: it needs the run machine, which building a graph does without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline.threads.loading import Read, aread, arun_loading, read, run_loading
from drumline.threads.snapshots import snapshot
from drumline.threads.states import places_below, show
from drumline.threads.store import Threads, threads_of
from drumline_graph.program import Program
from drumline_graph.types import StateSnapshot
from drumline_protocol.checkpoints import Saved


def state(
    saver: Any, program: Program, thread: str, ns: str, id_: str, config: Mapping[str, Any], *, subgraphs: bool
) -> StateSnapshot:
    """The state of the graph at `ns` of a thread: at the checkpoint `id_`, or as it stands now if that is empty."""
    store = threads_of(saver, program, ns)  # what is read of a graph may name what is read of those within
    showing = show(program, thread, ns, id_, config, subgraphs=subgraphs)
    return run_loading(showing, lambda asked: read(_threads(store, asked), thread, asked))


async def astate(
    saver: Any, program: Program, thread: str, ns: str, id_: str, config: Mapping[str, Any], *, subgraphs: bool
) -> StateSnapshot:
    """The twin of `state`."""
    store = threads_of(saver, program, ns)
    showing = show(program, thread, ns, id_, config, subgraphs=subgraphs)
    return await arun_loading(showing, lambda asked: aread(_threads(store, asked), thread, asked))


def record(program: Program, thread: str, saved: Saved) -> StateSnapshot:
    """A checkpoint as the record of the superstep behind it."""
    return snapshot(program, thread, saved, live=False, below=places_below(program, thread, saved))


def _threads(saver: Any, asked: Read) -> Threads:
    assert asked.program is not None
    return threads_of(saver, asked.program, asked.ns)
