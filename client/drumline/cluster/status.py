"""What is known of a run, from its record and its log."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from drumline.cluster.link import Link
from drumline_coordinator.fold import fold
from drumline_coordinator.sketch import outline
from drumline_coordinator.state import RunState
from drumline_coordinator.tasks import OPEN, PARKED, Task
from drumline_protocol import wire
from drumline_protocol.codec import unbox
from drumline_protocol.facts import RunStarted, StepCommitted

#: Digits of a time in ms: more were not written by us.
_STAMP_DIGITS_MAX = 15


def run_status(link: Link, run_id: str, thread: str | None = None) -> dict[str, Any]:
    """The dict that `Cluster.status` returns. UnknownRun."""
    record = link.record(run_id, thread)
    status, graph = (record.get(name, b"").decode("utf-8", "replace") for name in ("status", "graph"))
    tasks: list[Task] = []
    if status == "open":
        tasks = _open_tasks(link, run_id, thread, record)
    return {
        "run_id": run_id,
        "graph": graph,
        "status": status,
        "created_ms": created_ms(record),
        "open_tasks": [_told(task, record) for task in tasks],
    }


def created_ms(record: Mapping[str, bytes]) -> int:
    """When a run was accepted, as its record has it (ms since 1970); 0 if it does not say."""
    stamp = record.get("created_ms", b"")
    return int(stamp) if stamp.isdigit() and len(stamp) <= _STAMP_DIGITS_MAX else 0


def _open_tasks(link: Link, run_id: str, thread: str | None, record: Mapping[str, bytes]) -> list[Task]:
    """The tasks that the run's head, and the facts behind it, leave open; of a damaged log those that can be told."""
    state: RunState | None = None
    broker, p, codec = link.broker(), link.partition(run_id, thread), link.codec(None)
    try:
        facts = wire.decode_facts(codec, record["head"]) if "head" in record else []
        log = broker.load_log(p, run_id, record.get("head_at", b"-").decode())
        for fact in chain(facts, *(wire.decode_facts(codec, entry.data) for entry in log)):
            if type(fact) is RunStarted:
                state = RunState(outline(unbox(fact.sketches)), root_ns=fact.ns, wire=True)
            elif state is not None:
                if type(fact) is StepCommitted:
                    fact.cells = {}  # the values do not matter here, and need not be read
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
