"""What a LangGraph node may read of the state while it runs: routers do, and the prebuilt `ToolNode`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from drumline.langgraph.values import our_writes
from drumline_graph.channels.base import MISSING
from drumline_graph.routing import fresh_cells
from drumline_worker.job import Job


def reader(job: Job, scratchpad: Any, writes: Any) -> Any:
    """The function under `__pregel_read`: `read(select, fresh)` gives a dict of keys, or the value of one key.

    `fresh` shows the state as this task's own writes alone would leave it. LangGraph's `ToolNode` looks into the
    partial: its second positional argument must be a mapping whose keys are those of the state.
    """
    known = {key: job.program.channels[key] for key in sent_keys(job) if key in job.program.channels}
    return partial(_read, scratchpad, known, job, writes)


def state_reader(job: Job) -> Any:
    """The function under `__pregel_read_state` of a task made by a `Send`: the state as an edge would give it."""
    node = job.node

    def read_state() -> Any:
        value = _values(job, job.cells, node.input_keys)
        return value if node.mapper is None else node.mapper(value)

    return read_state


def sent_keys(job: Job) -> Sequence[str]:
    """Keys whose cells travel with this task's message."""
    reads = job.node.input_keys
    return tuple(dict.fromkeys((*job.node.router_keys, *((reads,) if isinstance(reads, str) else reads))))


def _read(_scratchpad: Any, known: Mapping[str, Any], job: Job, writes: Any, select: Any, fresh: bool = False) -> Any:
    keys = [select] if isinstance(select, str) else list(select)
    managed = job.program.managed
    for key in keys:
        if key not in known and key not in managed:
            raise RuntimeError(
                f"Node {job.node.name!r} read key {key!r} of the state while it ran, which did not travel with its "
                f"task: {', '.join(known) or 'nothing'} did. Add the key to the node's input schema."
            )
    cells: Mapping[str, Any] = job.cells
    if fresh:
        cells = fresh_cells(job.program, cells, our_writes(writes), [key for key in keys if key in known])
    return _values(job, cells, select)


def _values(job: Job, cells: Mapping[str, Any], select: Any) -> Any:
    channels, managed = job.program.channels, job.program.managed

    def value_of(key: str) -> Any:
        manager: Any = managed.get(key)
        if manager is not None:
            return manager.get(job.step, job.stop)
        cell = cells.get(key, MISSING)
        channel = channels[key]
        return channel.read(cell) if cell is not MISSING and channel.available(cell) else MISSING

    if isinstance(select, str):
        value = value_of(select)
        return None if value is MISSING else value
    return {key: value for key in select if (value := value_of(key)) is not MISSING}
