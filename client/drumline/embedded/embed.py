"""From a call to its run inside this process: the run machine, the view of its caller, and what joins them."""

from __future__ import annotations

from dataclasses import is_dataclass
from functools import partial
from typing import Any

from drumline.call import Call, portable_input
from drumline.embedded.forward import Forwarder
from drumline.embedded.jobs import Embedded
from drumline.embedded.run_span import run_span
from drumline.embedded.strict import StrictWire
from drumline.embedded.threads import thread_of
from drumline.reading import view_of
from drumline.tracing.begin import embedded_trace
from drumline_coordinator.run import Run
from drumline_graph.program import Program
from drumline_graph.types import StateUpdates
from drumline_protocol.checkpoints import joined_ns, split_ns
from drumline_protocol.graph_paths import thread_ns
from drumline_protocol.messages import RunRequest, RunShared
from drumline_protocol.new_ids import new_run_id
from drumline_protocol.trace_context import trace_here
from drumline_worker.context import current
from drumline_worker.runtime import RunControl


def coerce_context(program: Program, context: Any) -> Any:
    """A dict given as `context` becomes the graph's context schema, if that is a dataclass or pydantic model."""
    schema: Any = program.context_schema
    if not isinstance(context, dict) or schema is None:
        return context
    build: Any = schema if is_dataclass(schema) or hasattr(schema, "model_validate") else None
    return context if build is None else build(**context)


def embed(program: Program, call: Call, *, strict: bool, is_async: bool = False) -> Embedded:
    """The run of a call inside this process, not yet started."""
    caller, reading = call.caller, call.reading
    root_ns: tuple[str, ...] = ()
    recorded, context, hot = reading.recorded, coerce_context(program, call.context), False
    store = program.store
    if caller is not None:
        job = caller.job
        number = next(caller.calls)
        root_ns = (*job.ns, f"{job.node.name}:{job.task}", *((str(number),) if number else ()))
        hot = job.shared.subgraphs
        if hot:
            recorded = tuple(dict.fromkeys((*recorded, *job.shared.recorded)))
        context = job.context if context is None else context
        if program.persists is True and job.thread is not None:  # one history for all its calls
            root_ns = split_ns(thread_ns(joined_ns(root_ns)))
        store = job.store  # of the whole run, as in LangGraph: also if it has none
    elif isinstance(call.input, StateUpdates):
        root_ns = split_ns(call.input.ns)
    shared = RunShared(
        run_id=str(call.config.get("run_id") or new_run_id()),
        graph=program.name,
        fingerprint="",
        partition=0,
        config=call.config,
        context=None,
        recorded=recorded,
        subgraphs=reading.subgraphs or hot,
        stops_before=call.stops_before,
        stops_after=call.stops_after,
    )
    shared.traceparent, shared.tracestate = trace_here()
    thread = thread_of(program, call, root_ns)
    view = view_of(reading, program, root_ns=root_ns, surfacing=hot)
    forward = None
    if caller is not None and hot:
        keys = program.stream_keys if reading.output_keys is None else reading.output_keys
        keys = keys if isinstance(keys, str) else list(keys)  # plain, for they cross the wire
        forward = Forwarder(caller.job.emit, root_ns, keys, keeps_custom="custom" in reading.recorded)
    return Embedded(
        Run(program, shared, ns=root_ns, wire=strict, thread=None if thread is None else thread.run),
        RunRequest(run_id=shared.run_id, graph=program.name, input=call.input),
        view,
        context=context,
        store=store,
        control=RunControl() if call.control is None else call.control,
        forward=forward,
        caller=caller if caller is not None else current.get(),
        strict=StrictWire(program, partial(portable_input, program)) if strict else None,
        trace=embedded_trace(program, call, shared.run_id, root_ns, is_async=is_async),
        span=run_span(program, shared.run_id, call.config, call.input),
        thread=thread,
    )
