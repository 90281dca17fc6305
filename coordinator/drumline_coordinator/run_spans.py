"""Spans of runs and of what is sent for them.

They begin where the machine decides and end when the broker has confirmed it, as what is counted does: a span that
never ends is never told. So what a coordinator that lost its partition had in memory shows nowhere.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from drumline_coordinator.metering import Over, Told
from drumline_coordinator.opened import OpenRun
from drumline_coordinator.tasks import Task
from drumline_graph.program import Program
from drumline_graph.types import StateUpdates
from drumline_protocol.codec import unbox
from drumline_protocol.failure import Failure
from drumline_protocol.failure_base import class_name_of
from drumline_protocol.messages import RunRequest, RunShared
from drumline_protocol.trace_context import checked
from drumline_transport.spans import Tracer

#: Open runs whose spans are held; of one that was crowded out, the end alone is told, as of one that was taken over.
HELD_MAX = 10_000
#: of the metadata of a run, those that become attributes
METADATA_MAX = 32
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class RunSpans:
    """The spans of one coordinator, for its main loop alone. `prefix` is that of the cluster's keys."""

    def __init__(self, tracer: Tracer, prefix: str) -> None:
        self._tracer = tracer
        self._prefix = prefix
        #: the spans of runs that this process has begun; None: it is told of none
        self._held: OrderedDict[str, Any] = OrderedDict()
        #: the last run for which something was sent, and the context below which that lies
        self._last: tuple[str, Any] = ("", None)

    def begin(self, request: RunRequest, graph: str, program: Program, thread: str, now_ms: float) -> None:
        """A run begins, below the span that the request names; its tasks are to lie below the run's own.

        A change of a thread's state is a run too, but none of which anybody wants to be told.
        """
        tracer = self._tracer
        request.traceparent, request.tracestate = checked(request.traceparent, request.tracestate)
        if isinstance(unbox(request.input), StateUpdates):
            self._hold(request.run_id, None)
            return
        parent = tracer.context_of(request.traceparent, request.tracestate)
        attributes = run_attributes(tracer, request.run_id, graph, program, thread, request.config)
        span = tracer.start("INTERNAL", run_name(graph, program), parent, attributes, start_ms=now_ms)
        own, state = tracer.texts_of(span)
        if own:
            request.traceparent, request.tracestate = own, state
        self._hold(request.run_id, span)

    def _hold(self, run_id: str, span: Any) -> None:
        self._held[run_id] = span
        if len(self._held) > HELD_MAX:
            self._held.popitem(last=False)

    def send(self, open_run: OpenRun, task: Task, told: Told | None) -> str:
        """A task is about to be sent, in a commit that tells that: its span as text; "" if its run is in no trace.

        Of a task whose attempt is lost it is the span in which it was sent first, as far as this process knows that: it
        is the same message that somebody takes again.
        """
        shared, tasks = open_run.run.shared, open_run.run.state.tasks
        if told is None or not shared.traceparent:
            return ""
        tries, text = open_run.sent_in.get(task.id, (0, ""))
        if tries == task.tries and task.attempt > 1:
            return text
        span = self._sending(task, shared)
        told.sent.append(span)
        if len(open_run.sent_in) > 2 * len(tasks):
            open_run.sent_in = {id_: known for id_, known in open_run.sent_in.items() if id_ in tasks}
        text = self._tracer.texts_of(span)[0]
        open_run.sent_in[task.id] = (task.tries, text)
        return text

    def _sending(self, task: Task, shared: RunShared) -> Any:
        if self._last[0] != shared.traceparent:
            self._last = (shared.traceparent, self._tracer.context_of(shared.traceparent, shared.tracestate))
        pool = task.node.pool
        stream = f"{self._prefix}:tasks:{pool}"
        attributes = {
            "drumline.run_id": shared.run_id,
            "drumline.node": task.name,
            "drumline.step": task.scope.step,
            "drumline.task_id": task.id,
            "drumline.attempt": task.attempt,
            "drumline.pool": pool,
        }
        if self._tracer.messaging:
            attributes |= {
                "messaging.system": "redis",
                "messaging.operation.name": "send",
                "messaging.operation.type": "send",
                "messaging.destination.name": stream,
            }
        return self._tracer.start("PRODUCER", f"send {stream}", self._last[1], attributes)

    def committed(self, told: Told) -> None:
        """What a commit tells has happened."""
        for span in told.sent:
            self._tracer.end(span)
        for over in told.over:
            self._end(over)

    def _end(self, over: Over) -> None:
        shared, end, started = over.shared, over.end, over.started
        if over.run_id in self._held:
            span = self._held.pop(over.run_id)
        elif shared is None or not shared.traceparent:
            return
        else:  # it was begun by a coordinator that has gone
            parent = self._tracer.context_of(shared.traceparent, shared.tracestate)
            name = f"invoke_workflow {shared.graph}"
            attributes: dict[str, Any] = {"drumline.run_id": shared.run_id, "drumline.graph": shared.graph}
            attributes["drumline.taken_over"] = True
            span = self._tracer.start(
                "INTERNAL", name, parent, attributes, start_ms=None if started is None else started.at_ms
            )
        error = "" if end.status != "failed" else error_class(end.error)
        self._tracer.end(span, error=error, attributes={"drumline.status": end.status}, end_ms=end.at_ms)


def run_name(graph: str, program: Program) -> str:
    """The name of the span of a run."""
    return f"{_operation(program)} {graph}"


def run_attributes(
    tracer: Tracer, run_id: str, graph: str, program: Program, thread: str, config: Mapping[str, Any]
) -> dict[str, Any]:
    """What the span of a run says of it: what it is, and the metadata of its caller, as far as these are plain."""
    found: dict[str, Any] = {}
    for key, value in (config.get("metadata") or {}).items():
        if len(found) < METADATA_MAX and _KEY.fullmatch(str(key)) and isinstance(value, (str, bool, int, float)):
            found[f"drumline.metadata.{key}"] = value
    found |= {"drumline.run_id": run_id, "drumline.graph": graph}
    if thread:
        found["drumline.thread_id"] = thread
    if tracer.gen_ai:
        found |= {"gen_ai.operation.name": _operation(program), "gen_ai.agent.name": graph}
        if thread:
            found["gen_ai.conversation.id"] = thread
    return found


def _operation(program: Program) -> str:
    """A graph with a node that runs tools is an agent."""
    is_agent = any(_runs_tools(node.action) for node in program.nodes.values())
    return "invoke_agent" if is_agent else "invoke_workflow"


def _runs_tools(action: Any) -> bool:
    """Whether a node is a `ToolNode`, ours or LangGraph's, or one that LangGraph's runner runs."""
    try:
        own = (action, *getattr(action, "user_code", ()))
        return any(isinstance(getattr(code, "tools_by_name", None), Mapping) for code in own)
    except Exception:  # code of users, asked for an attribute that it may not have
        return False


def error_class(error: Any) -> str:
    """The class of an error, as a run's last fact has it."""
    return error.class_name if type(error) is Failure else class_name_of(type(error))
