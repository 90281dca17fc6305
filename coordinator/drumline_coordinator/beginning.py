"""How a run begins: what its tasks share, its machine, and the first fields of its record. Pure."""

from __future__ import annotations

from drumline_coordinator.dispatch import Dispatcher
from drumline_coordinator.loading import graph_at
from drumline_coordinator.opened import OpenRun
from drumline_coordinator.run import Run
from drumline_coordinator.thread_config import root_of
from drumline_coordinator.thread_run import ThreadRun
from drumline_graph.program import Program
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.messages import RunRequest, RunShared
from drumline_transport.broker import FieldValue


def begin_run(
    partition: int,
    graph: str,
    program: Program,
    codec: Codec,
    request: RunRequest,
    now_ms: float,
    thread: ThreadRun | None = None,
    made_ms: float = 0.0,
) -> tuple[OpenRun, dict[str, FieldValue]]:
    """The open run of a request, not started yet, and what its record says from the first commit on.

    `graph` is the name under which it is served, `made_ms` when its thread was made, if it is on one. Raises
    EncodeError for a config or context that no task could carry, InvalidRequest for a change to the state of a graph
    that is not within `program`.
    """
    shared = RunShared(
        request.run_id,
        graph,
        program.fingerprint,
        partition,
        request.config,
        request.context,
        tuple(request.recorded),
        request.subgraphs,
        request.is_async,
        names=True,
        stops_before=tuple(request.stops_before),
        stops_after=tuple(request.stops_after),
        thread="" if thread is None else thread.id,
        ns=root_of(request),
        made=int(made_ms or now_ms) & 0xFFFFFFFF,
        traceparent=request.traceparent,
        tracestate=request.tracestate,
    )
    box = codec.box(wire.to_row(shared))
    run = Run(graph_at(program, shared.ns), shared, ns=shared.ns, wire=True, codec=codec, thread=thread)
    record: dict[str, FieldValue] = {
        "shared": box.data,
        "graph": graph,
        "status": "open",
        "created_ms": int(now_ms),
    }
    if thread is not None and thread.id:
        record["thread"] = thread.id
    return OpenRun(run, 0, Dispatcher(codec, box)), record
