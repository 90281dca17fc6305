"""The trace of a call, if anybody listens: for the embedded runner, and for the client of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from drumline.reading import call_names_of, trace_policies_of
from drumline.tracing.follow import Follower
from drumline.tracing.listening import may_be_heard
from drumline.views.graphs import Mappers
from drumline_graph.program import Program
from drumline_protocol.failure import Known
from drumline_protocol.trace_ids import root_trace_id

if TYPE_CHECKING:
    from drumline.call import Call
    from drumline.tracing.run import RunTrace


def embedded_trace(
    program: Program, call: Call, run_id: str, root_ns: tuple[str, ...], *, is_async: bool
) -> RunTrace | None:
    """The trace of a run inside this process. None if nobody listens, or the graph tells of itself."""
    if not may_be_heard(call.config) or any(_tells_itself(node.action) for node in program.nodes.values()):
        return None
    return _trace(program.name, call, run_id, root_ns, is_async=is_async, policies=trace_policies_of(program))


def cluster_trace(
    name: str,
    program: Program | None,
    call: Call,
    run_id: str,
    *,
    is_async: bool,
    mappers: Mappers | None,
    known: Known = (),
) -> RunTrace | None:
    """The trace of a run on a cluster, as its log tells it. None if nobody listens here."""
    if not may_be_heard(call.config):
        return None
    policies = None if program is None else trace_policies_of(program)
    name = name if program is None else program.name
    rest = {
        "outputs": call.reading.outputs,
        "mappers": mappers,
        "known": known,
        "policies": policies,
        "all_nodes": True,
        "named": None if program is None else call_names_of(program),
    }
    trace = _trace(name, call, run_id, (), is_async=is_async, **rest)
    if trace is not None:
        trace.leave_nodes_to_workers(call.config.get("callbacks"))
    return trace


def _trace(
    name: str, call: Call, run_id: str, root_ns: tuple[str, ...], *, is_async: bool, **rest: Any
) -> RunTrace | None:
    try:
        from drumline.tracing.run import RunTrace, manager_of
    except ImportError:  # the environment asks for traces, but langchain-core is not installed
        return None
    manager = manager_of(call.config, is_async=is_async)
    if manager is None:
        return None
    root, keys = root_trace_id(run_id), call.reading.output_keys
    if not isinstance(keys, str) and isinstance(keys, Sequence):
        keys = list(keys)
    follower = Follower(root, root_ns, keys=keys, **rest)
    return RunTrace(manager, str(call.config.get("run_name") or name), root, root_ns, call.input, follower)


def _tells_itself(action: Any) -> bool:
    """Whether a task is a whole graph of another engine, which begins its own root."""
    return bool(getattr(action, "tells_itself", False))
