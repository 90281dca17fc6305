"""`strict_wire`: send every value of an embedded run through the codec, to find what a cluster would refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drumline_coordinator.tasks import Task
from drumline_graph.message_ids import identify_update, identify_writes
from drumline_graph.program import Program
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.encode_paths import of_answer, of_event
from drumline_protocol.errors import EncodeError
from drumline_protocol.facts import Emitted, ErrorHandled, PlanMade, RunFinished, TaskFailed, TaskRetried
from drumline_protocol.graph_codecs import table_of
from drumline_protocol.messages import Events, TaskBubbled, TaskCall, TaskError, TaskInterrupt, TaskResult, TimerDue
from drumline_worker.job import Job, portable_event


class StrictWire:
    """The codec of one graph, put between the machine, its nodes and its views."""

    def __init__(self, program: Program, portable: Callable[[Any], Any]) -> None:
        self._portable = portable
        self.codec = Codec(table_of(program))

    def pass_through(self, value: Any, root: str = "value") -> Any:
        """A copy of `value` as it would arrive elsewhere. EncodeError with key path and type if it would not."""
        return self.codec.decode(self.codec.encode(value, root))

    def input(self, value: Any) -> Any:
        """The input as a coordinator would get it."""
        return self.pass_through(self._portable(value), "input")

    def job(self, job: Job, task: Task) -> Job:
        """The job as a worker would get it."""
        node = job.node
        job.input = self.pass_through(task.input)
        job.cells = self.pass_through({key: job.cells[key] for key in node.router_keys if key in job.cells})
        if job.writes is not None:
            job.writes = self.pass_through([list(pair) for pair in job.writes])
        emit = job.emit
        codec = self.codec

        def strict_emit(kind: int, payload: Any, header: Any) -> None:
            try:
                item = wire.encode_item(codec, kind, portable_event(kind, payload, codec), header)
            except EncodeError as error:
                raise of_event(error, kind, node.name) from None
            kind, crossed, header = wire.decode_item(codec, item)
            if type(payload) is PlanMade:  # of a graph that the node called: its classes need not be known here
                crossed.inputs = payload.inputs
            emit(kind, crossed, header)

        job.emit = strict_emit
        return job

    def event(self, event: Any, node: str = "") -> Any:
        """The answer of `node` as the coordinator would get it; what cannot be encoded is the task's error."""
        if isinstance(event, (Events, TaskError, TimerDue)):
            return event
        try:
            if isinstance(event, TaskCall) and event.error is None:
                event.args = self.pass_through([list(event.args[0]), event.args[1]], "arguments")
            elif isinstance(event, TaskResult):
                identify_writes(event.task, event.writes)
                writes = [list(pair) for pair in event.writes]
                event.writes = self.codec.box(writes)
            elif isinstance(event, TaskBubbled):
                identify_update(event.task, event.command.update)
                event.command = self.codec.box(event.command)
            elif isinstance(event, TaskInterrupt):
                event.interrupts = self.codec.box(event.interrupts, "interrupts")
        except Exception as raised:
            error: BaseException = raised
            if isinstance(raised, EncodeError):
                writes = event.writes if isinstance(event, TaskResult) else []
                error = of_answer(raised, self.codec, writes, node)
            return TaskError(event.run, event.task, event.attempt, event.executor, error)
        return event

    def fact(self, fact: Any) -> Any:
        """A fact as a client would read it."""
        if isinstance(fact, (Emitted, TaskFailed, TaskRetried, ErrorHandled, RunFinished)):
            return fact
        return wire.decode(self.codec, wire.encode(self.codec, fact))
