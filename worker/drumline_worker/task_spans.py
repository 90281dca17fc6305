"""The span of an attempt of a task: the current one while the node runs, so that the user's own spans lie below it."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from typing import Any

from drumline_protocol.failure_base import class_name_of
from drumline_protocol.messages import RunShared, TaskError
from drumline_transport.spans import Tracer
from drumline_worker.job import Job
from drumline_worker.metering import CANCELLED, FAILED, outcome_of

#: the consumer group of all pools
_GROUP = "workers"


class TaskSpans:
    """The spans of the tasks of one run, below `parent` (a context). Used by all threads that run nodes.

    Embedded they are plain spans; on a worker they are those of who takes a message.
    """

    def __init__(self, tracer: Tracer, parent: Any) -> None:
        self._tracer = tracer
        self._parent = parent

    def run(self, job: Job, run: Callable[[Job], Any]) -> Any:
        """What `run` answers, with the span around it."""
        span, token = self._begin(job)
        try:
            answer = run(job)
        except BaseException as error:
            self._raised(span, token, error)
            raise
        self._answered(span, token, job, answer)
        return answer

    async def arun(self, job: Job, run: Callable[[Job], Awaitable[Any]]) -> Any:
        """The twin of `run`; in an asyncio task of its own."""
        span, token = self._begin(job)
        try:
            answer = await run(job)
        except BaseException as error:
            self._raised(span, token, error)
            raise
        self._answered(span, token, job, answer)
        return answer

    def _begin(self, job: Job) -> tuple[Any, Any]:
        kind, name, more = self._kind(job)
        attributes = {
            "drumline.run_id": job.shared.run_id,
            "drumline.graph": job.shared.graph,
            "drumline.node": job.node.name,
            "drumline.step": job.step,
            "drumline.task_id": job.task,
            "drumline.attempt": job.attempt,
            **more,
        }
        span = self._tracer.start(kind, name, self._parent, attributes, linked=job.sent_in)
        return span, self._tracer.attach(self._tracer.around(span, self._parent))

    def _kind(self, job: Job) -> tuple[str, str, dict[str, Any]]:
        return "INTERNAL", f"node {job.node.name}", {}

    def _raised(self, span: Any, token: Any, error: BaseException) -> None:
        self._tracer.detach(token)
        if isinstance(error, CancelledError):
            self._tracer.end(span, attributes={"drumline.outcome": CANCELLED})
        else:
            self._tracer.end(span, error=class_name_of(type(error)), attributes={"drumline.outcome": FAILED})

    def _answered(self, span: Any, token: Any, job: Job, answer: Any) -> None:
        self._tracer.detach(token)
        outcome = CANCELLED if job.fate is not None and job.fate.cancelled else outcome_of(answer)
        error = class_name_of(type(answer.error)) if isinstance(answer, TaskError) else ""
        self._tracer.end(span, error=error, attributes={"drumline.outcome": outcome})


class ConsumerSpans(TaskSpans):
    """Those of a run on a worker. `prefix` is that of the cluster's keys."""

    def __init__(self, tracer: Tracer, shared: RunShared, prefix: str) -> None:
        super().__init__(tracer, tracer.context_of(shared.traceparent, shared.tracestate))
        self._prefix = prefix

    def _kind(self, job: Job) -> tuple[str, str, dict[str, Any]]:
        execution: Any = job.fate
        stream = f"{self._prefix}:tasks:{execution.pool}"
        more = {"drumline.pool": execution.pool, "drumline.worker": job.executor}
        if self._tracer.messaging:
            more |= {
                "messaging.system": "redis",
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": stream,
                "messaging.consumer.group.name": _GROUP,
                "messaging.message.id": execution.entry,
            }
        return "CONSUMER", f"process {stream}", more


class WorkerSpans:
    """Gives the tasks of each run their spans."""

    def __init__(self, tracer: Tracer, prefix: str) -> None:
        self._tracer = tracer
        self._prefix = prefix

    def of_run(self, shared: RunShared) -> ConsumerSpans:
        """Those of one run."""
        return ConsumerSpans(self._tracer, shared, self._prefix)
