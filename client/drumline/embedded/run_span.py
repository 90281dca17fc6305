"""The span of a run inside this process, and those of its tasks."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Mapping
from typing import Any

from drumline_coordinator.run_spans import error_class, run_attributes, run_name
from drumline_graph.program import Program
from drumline_graph.types import StateUpdates
from drumline_transport.spans import Tracer, tracer_here
from drumline_worker.task_spans import TaskSpans


class RunSpan:
    """The span of one run, from its first superstep to its end. `tasks` are the spans below it."""

    def __init__(self, tracer: Tracer, program: Program, run_id: str, config: Mapping[str, Any]) -> None:
        self._tracer = tracer
        around = tracer.here()
        thread = str((config.get("configurable") or {}).get("thread_id") or "")
        attributes = run_attributes(tracer, run_id, program.name, program, thread, config)
        self._span = tracer.start("INTERNAL", run_name(program.name, program), around, attributes)
        context = tracer.around(self._span, around)
        #: None: the span is none that anybody could nest in
        self.tasks = TaskSpans(tracer, context) if tracer.texts_of(self._span)[0] else None

    def end(self, status: str) -> None:
        """The run has ended so."""
        self._tracer.end(self._span, attributes={"drumline.status": status})

    def fail(self, error: BaseException) -> None:
        """The run ended by `error`, or its caller left it."""
        if isinstance(error, (GeneratorExit, CancelledError)):
            self.end("left")
        else:
            self._tracer.end(self._span, error=error_class(error), attributes={"drumline.status": "failed"})


def run_span(program: Program, run_id: str, config: Mapping[str, Any], input: Any = None) -> RunSpan | None:
    """The span of a run that begins; None if nobody asks for spans, or it is but a change of a thread's state."""
    tracer = tracer_here()
    return None if tracer is None or isinstance(input, StateUpdates) else RunSpan(tracer, program, run_id, config)
