"""What is known of a run, from its record and its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drumline.cluster.link import Link
from drumline_coordinator.fold import fold
from drumline_coordinator.sketch import outline
from drumline_coordinator.state import RunState
from drumline_coordinator.tasks import OPEN, PARKED, Task
from drumline_protocol import wire
from drumline_protocol.codec import Codec, unbox
from drumline_protocol.facts import RunStarted
from drumline_transport.broker import LogEntry

#: Digits of a time in ms: more were not written by us.
_STAMP_DIGITS_MAX = 15


def run_status(link: Link, run_id: str) -> dict[str, Any]:
    """The dict that `Cluster.status` returns. UnknownRun."""
    record = link.record(run_id)
    status, graph = (record.get(name, b"").decode("utf-8", "replace") for name in ("status", "graph"))
    created = record.get("created_ms", b"")
    tasks: list[Task] = []
    if status == "open":
        tasks = _open_tasks(link.broker().load_log(link.partition(run_id), run_id), link.codec(None))
    return {
        "run_id": run_id,
        "graph": graph,
        "status": status,
        "created_ms": int(created) if created.isdigit() and len(created) <= _STAMP_DIGITS_MAX else 0,
        "open_tasks": [_told(task, record) for task in tasks],
    }


def _open_tasks(log: Sequence[LogEntry], codec: Codec) -> list[Task]:
    """The tasks that the facts leave open; of a damaged log those that can be told."""
    state: RunState | None = None
    try:
        for entry in log:
            for fact in wire.decode_facts(codec, entry.data):
                if type(fact) is RunStarted:
                    state = RunState(outline(unbox(fact.sketches)), wire=True)
                elif state is not None:
                    fold(state, fact)
    except Exception:  # its coordinator finds that too, and ends the run
        pass
    return [] if state is None else [task for task in state.tasks.values() if task.status in OPEN]


def _told(task: Task, record: Mapping[str, bytes]) -> dict[str, Any]:
    where = "parked" if task.status is PARKED else "planned"
    if where == "planned" and f"t:{task.id}:{task.attempt}" in record:
        where = "dispatched"
    return {
        "id": task.id,
        "node": task.name,
        "ns": task.scope.ns,
        "pool": task.node.pool,
        "attempt": task.attempt,
        "state": where,
        "reason": task.reason,
    }
