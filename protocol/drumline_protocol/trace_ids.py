"""Ids of what tracing tools call runs: a graph that runs, an attempt of a task. Pure.

The same in every process, so that a client and its workers tell of one tree without asking each other. Each id keeps
the time that the root's begins with, so ids of one trace sort together.
"""

from __future__ import annotations

from datetime import datetime, timezone
from hashlib import blake2b
from uuid import NAMESPACE_URL, UUID, uuid5

from drumline_protocol.ids import home_in

#: key of a run's config: the id of its root in the caller's trace, and LangSmith's order of it ("" for none)
TRACE = "trace"


def root_trace_id(run_id: str) -> UUID:
    """The id of a run's root graph: the run id itself, or a hash of one that is no UUID.

    A run id of drumline's own is of version 8; here it is of version 7, which LangSmith asks for, and else the same.
    """
    if home_in(run_id) is not None:
        return UUID(f"{run_id[:14]}7{run_id[15:]}")
    try:
        return UUID(run_id)
    except ValueError:
        return uuid5(NAMESPACE_URL, f"drumline:{run_id}")


def graph_trace_id(root: UUID, ns: tuple[str, ...]) -> UUID:
    """The id of the graph at `ns`, counted from the root graph, which is at `()`."""
    return _below(root, "graph\0" + "\0".join(ns)) if ns else root


def task_trace_id(root: UUID, task: str, attempt: int) -> UUID:
    """The id of one attempt of a task. A task that is a subgraph is told of once: as attempt 1."""
    return _below(root, f"task\0{task}\0{attempt}")


def trace_order(root: UUID, ns: tuple[str, ...], given: str = "") -> str:
    """LangSmith's `dotted_order` of the graph at `ns`: the ids from the trace's root down, each behind its start.

    `given` is that of the root graph, as its caller told it. Nobody knows when the graphs below began: they count as
    begun with the root.
    """
    when = given.rpartition(".")[2][: -len(str(root))] or _moment(root)
    parts = [given or f"{when}{root}"]
    for depth in range(1, len(ns) + 1):
        task = ns[depth - 1].rpartition(":")[2]
        parts += [f"{when}{task_trace_id(root, task, 1)}", f"{when}{graph_trace_id(root, ns[:depth])}"]
    return ".".join(parts)


def _below(root: UUID, text: str) -> UUID:
    digest = blake2b(root.bytes + text.encode("utf-8", "surrogatepass"), digest_size=10).digest()
    bits = int.from_bytes(root.bytes[:6] + digest, "big") & ~(0xF << 76) & ~(0b11 << 62)
    # of version 7: LangSmith asks for it (`uuid.UUID` cannot make one before 3.14)
    return UUID(int=bits | 0x7 << 76 | 0b10 << 62)


def _moment(root: UUID) -> str:
    """When an id was drawn, in LangSmith's form; the epoch for an id that does not say."""
    ms = int.from_bytes(root.bytes[:6], "big") if root.version == 7 else 0
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y%m%dT%H%M%S%fZ")
