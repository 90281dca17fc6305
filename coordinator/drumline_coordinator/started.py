"""The first fact of a run that waits, for its thread or its time. Pure."""

from __future__ import annotations

from drumline_coordinator.loading import graph_at
from drumline_coordinator.sketch import sketch_program
from drumline_coordinator.thread_config import configurable_shown, root_of
from drumline_graph.program import Program
from drumline_protocol.facts import RunStarted
from drumline_protocol.messages import RunRequest
from drumline_protocol.metadata import run_metadata


def started_fact(graph: str, program: Program, request: RunRequest, now_ms: float, thread: str) -> RunStarted:
    """What `Run.start` tells first, told before the run begins: so its client knows that it is accepted.

    `thread`: "" for a run that is on none.
    """
    return RunStarted(
        request.run_id,
        graph,
        program.fingerprint,
        tuple(request.recorded),
        sketch_program(graph_at(program, root_of(request))),
        run_metadata(request.config),
        tuple(request.config.get("tags") or ()),
        now_ms,
        request.subgraphs,
        request.digest,
        configurable_shown(request.config.get("configurable") or {}, thread) if thread else {},
        root_of(request),
    )
