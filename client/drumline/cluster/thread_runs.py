"""What is known of runs without folding their logs: from their records and their first facts."""

from __future__ import annotations

from typing import Any

from drumline.cluster.link import Link
from drumline.cluster.status import created_ms
from drumline_protocol import wire
from drumline_protocol.errors import WireError
from drumline_protocol.facts import RunStarted


def runs_of_thread(link: Link, thread: str) -> list[dict[str, Any]]:
    """`summary` of each run of a thread whose record is there, the newest first.

    Left out are the answers to who changed the thread from outside: they are no runs.
    """
    p = link.partition(thread, thread)
    found = [summary(link, run_id, thread) for run_id, _ended_ms in link.broker().runs_of_thread(p, thread)]
    return sorted((row for row in found if row is not None), key=lambda row: -row["began_ms"])


def summary(link: Link, run_id: str, thread: str | None) -> dict[str, Any] | None:
    """`{"run_id", "graph", "status", "created_ms", "began_ms", "metadata"}` of a run of that thread, or of one that is
    on none. A run that has waited began later than it was accepted. None if there is no such run.

    NoBroker, InvalidRequest for an id that no run can have.
    """
    broker, p = link.broker(), link.partition(run_id, thread)
    record = broker.load_run(p, run_id)
    if not record:
        return None
    started = _started(link, p, run_id, record)
    status, graph = (record.get(name, b"").decode("utf-8", "replace") for name in ("status", "graph"))
    if started is not None and status == "done" and not started.sketches:
        return None
    if record.get("thread", b"").decode("utf-8", "replace") != (thread or ""):  # that of another thread lies beside it
        return None
    accepted_ms = 0 if started is None else int(started.at_ms)
    began_ms = created_ms(record) or accepted_ms  # the record is written anew when a run that has waited begins
    return {
        "run_id": run_id,
        "graph": graph,
        "status": status,
        "created_ms": accepted_ms or began_ms,
        "began_ms": began_ms,
        "metadata": {} if started is None else dict(started.metadata),
    }


def _started(link: Link, p: int, run_id: str, record: dict[str, bytes]) -> RunStarted | None:
    """The first fact of a run: in its log, or in the head that stands for what is trimmed of it."""
    log = link.broker().log_reader(p, run_id)
    try:
        data = [entry.data for entry in log.read("0-0", 1, 0)] + [record.get("head", b"")]
    finally:
        log.close()
    for entry in filter(None, data):
        try:
            facts = wire.decode_facts(link.codec(None), entry)
        except WireError:  # whoever reads its stream is told
            continue
        for fact in facts:
            if type(fact) is RunStarted:
                return fact
    return None
