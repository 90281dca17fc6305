"""What is known of a run, from its record and its log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline.cluster.link import Link
from drumline_protocol import wire
from drumline_protocol.codec import Codec, unbox
from drumline_protocol.errors import WireError
from drumline_protocol.facts import (
    AttemptRetracted,
    GraphEntered,
    GraphLeft,
    PlanMade,
    RunStarted,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskLeft,
    TaskParked,
)
from drumline_transport.broker import LogEntry

#: Digits of a time in ms: more were not written by us.
_STAMP_DIGITS_MAX = 15


def run_status(link: Link, run_id: str) -> dict[str, Any]:
    """The dict that `Cluster.status` returns. UnknownRun."""
    record = link.record(run_id)
    status, graph = (record.get(name, b"").decode("utf-8", "replace") for name in ("status", "graph"))
    created = record.get("created_ms", b"")
    tasks: dict[str, dict[str, Any]] = {}
    if status == "open":
        tasks = _open_tasks(link.broker().load_log(link.partition(run_id), run_id), link.codec(None))
    for task in tasks.values():
        if task["state"] == "planned" and f"t:{task['id']}:{task['attempt']}" in record:
            task["state"] = "dispatched"
    return {
        "run_id": run_id,
        "graph": graph,
        "status": status,
        "created_ms": int(created) if created.isdigit() and len(created) <= _STAMP_DIGITS_MAX else 0,
        "open_tasks": list(tasks.values()),
    }


def _open_tasks(log: Sequence[LogEntry], codec: Codec) -> dict[str, dict[str, Any]]:
    """The tasks that the facts leave open. Of a log that lost its beginning, or is damaged: those that can be told."""
    tasks: dict[str, dict[str, Any]] = {}
    paths: dict[tuple[str, ...], str] = {}
    sketches: dict[str, Any] = {}
    for entry in log:
        try:
            facts = wire.decode_facts(codec, entry.data)
        except WireError:  # its coordinator finds that too, and ends the run
            break
        for fact in facts:
            kind = type(fact)
            if kind is RunStarted:
                sketches = unbox(fact.sketches)
            elif kind is GraphEntered:
                paths[fact.ns] = fact.path
            elif kind is PlanMade:
                sketch = sketches.get(paths.get(fact.ns, ""))
                nodes = {} if sketch is None else sketch.nodes
                for task in fact.tasks:
                    node = nodes.get(task.name)
                    tasks[task.id] = {
                        "id": task.id,
                        "node": task.name,
                        "ns": fact.ns,
                        "pool": node.pool if node is not None else "default",
                        "attempt": 1,
                        "state": "planned",
                        "reason": "",
                    }
            elif kind is AttemptRetracted and fact.task in tasks:
                tasks[fact.task].update(attempt=fact.attempt + 1, state="planned", reason=fact.reason)
            elif kind is TaskParked and fact.task in tasks:
                tasks[fact.task].update(state="parked", reason=fact.reason)
            elif kind in (TaskFinished, TaskFailed, TaskInterrupted, TaskLeft):
                tasks.pop(fact.task, None)
            elif kind is GraphLeft:
                depth = len(fact.ns)
                gone = [id_ for id_, task in tasks.items() if task["ns"][:depth] == fact.ns]
                for id_ in gone:
                    del tasks[id_]
    return tasks
