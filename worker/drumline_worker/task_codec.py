"""A worker's side of the protocol: from a delivered entry to a job, and from its answer to bytes. No IO, no threads.

The service and the simulator both work through this class.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from drumline_graph.message_ids import identify_update, identify_writes
from drumline_protocol import wire
from drumline_protocol.codec import Boxed, Codec
from drumline_protocol.encode_paths import of_answer, of_event
from drumline_protocol.errors import CellMissing, DecodeError, EncodeError, NoBroker
from drumline_protocol.facts import NESTED
from drumline_protocol.failure import Failure, describe, place_of
from drumline_protocol.messages import Refused, TaskBubbled, TaskError, TaskInterrupt, TaskMessage, TaskResult
from drumline_transport.broker import Delivery
from drumline_worker.calling import WorkerCalls
from drumline_worker.job import Job, portable_event
from drumline_worker.metering import CANCELLED, FAILED, Meter, outcome_of
from drumline_worker.node import Answer
from drumline_worker.outbox import BURST_BYTES_MAX, Execution, Outbox
from drumline_worker.registry import NotHeld, Registry
from drumline_worker.results import Results, check_entry, plain_writes
from drumline_worker.telling import tell_failure
from drumline_worker.values import Values

log = logging.getLogger("drumline.worker")


class TaskCodec:
    """Decodes the entries that one executor takes, and puts the answers to them into its outbox."""

    def __init__(
        self,
        registry: Registry,
        outbox: Outbox,
        executor: str,
        values: Values,
        partitions: int,
        results: Results | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._registry = registry
        self._codec = registry.codec
        self._outbox = outbox
        self._executor = executor
        self._values = values
        self._partitions = partitions
        self._results = results or Results()
        self.calls = WorkerCalls(registry, outbox, self._results, values)
        self._meter = meter

    def decode(self, delivery: Delivery) -> tuple[Execution, TaskMessage] | None:
        """The task in an entry. None if it cannot be read, whatever it holds.

        Such an entry stays pending. The coordinator sees that nobody renews it, and sends the task again.
        """
        try:
            message = wire.decode(self._codec, delivery.data)
            if not isinstance(message, TaskMessage):
                raise DecodeError(f"a {type(message).__name__} is no task", len(delivery.data))
            shared = self._registry.shared(message)
            own = self._registry.codec_of(shared.graph)
            if own is not self._codec:  # the graph shares the name of a class with another one
                message = wire.decode(own, delivery.data)
            if not 0 <= shared.partition < self._partitions:
                raise DecodeError(f"there is no partition {shared.partition}", len(delivery.data))
        except BaseException as error:
            told = describe(error, self._codec)
            log.error("entry %s of pool %s is left to the coordinator: %s", delivery.id, delivery.pool, told)
            return None
        execution = Execution(
            delivery.pool,
            delivery.id,
            shared.partition,
            shared.run_id,
            message.task,
            message.attempt,
            self._executor,
            message.token,
            message.node,
            graph=shared.graph,
            thread=shared.thread,
            names=shared.names,
        )
        return execution, message

    def job(self, execution: Execution, message: TaskMessage) -> Job | None:
        """The job of a task. None if it cannot run here: the answer that says why is in the outbox already."""
        codec, outbox = self._registry.codec_of(execution.graph), self._outbox

        def emit(kind: int, payload: Any, header: Any) -> None:
            if kind >= NESTED:
                payload = portable_event(kind, payload, codec)
            try:
                item = wire.encode_item(codec, kind, payload, header)
                if len(item) > BURST_BYTES_MAX:
                    check_entry(item, "value", payload, "")
            except EncodeError as error:
                raise of_event(error, kind, execution.node) from None
            outbox.event(execution, item)

        try:
            job = self._registry.job(message, emit, self._executor, self._values)
            job.fate, job.calling, execution.origins = execution, self.calls, job.origins
            if self._meter is not None:
                execution.begun_s = time.monotonic()
                self._meter.begun(execution)
            return job
        except NotHeld as error:
            self.refuse(execution, str(error))
        except CellMissing as error:
            reason = f"its message is older than what is kept of the values that it names: {error}"
            self.refuse(execution, reason, values_gone=True)
        except NoBroker as error:
            self.refuse(execution, f"the values that it names could not be read: {error}")
        except BaseException as error:  # of a schema or mapper of the graph, which may raise what it likes
            self.answer(
                execution, TaskError(execution.run, execution.task, execution.attempt, execution.executor, error)
            )
        return None

    def clone_ahead(self) -> None:
        """Make the clones that the next tasks get: see `Values`."""
        self._values.clone_ahead()

    def refuse(self, execution: Execution, reason: str, *, values_gone: bool = False) -> None:
        """Give a task back of which nothing was run. `values_gone`: the cell store lacks what its message names."""
        refused = Refused(
            execution.run, execution.task, execution.attempt, execution.executor, reason, execution.token, values_gone
        )
        self._outbox.answer(execution, wire.encode(self._codec, refused))

    def answer(self, execution: Execution, answer: Answer) -> None:
        """Put a task's answer into the outbox."""
        self._outbox.answer(execution, self.encode(execution, answer))

    def encode(self, execution: Execution, answer: Answer) -> bytes:
        """A task's answer as bytes. If it cannot be encoded, the task's answer is that error.

        What the task emits from now on goes out behind its answer.
        """
        codec = self._registry.codec_of(execution.graph)
        answer.token = execution.token
        answer.events = self._outbox.seal(execution)
        try:
            if isinstance(answer, TaskResult):
                # Ids are given here: a reducer in the coordinator would give others to a second attempt.
                identify_writes(execution.task, answer.writes)
                answer.writes = self._boxed(codec, execution, answer.writes)
            elif isinstance(answer, TaskBubbled):
                identify_update(execution.task, answer.command.update)
                answer.command = self._boxed(codec, execution, answer.command)
            elif isinstance(answer, TaskInterrupt):
                box = codec.box(answer.interrupts, "interrupts")
                check_entry(box.data, "interrupts", answer.interrupts, f"what node {execution.node!r} asked")
                answer.interrupts = box
            else:
                return self._encode_failure(execution, answer.events, describe(answer.error, codec), answer)
            data = wire.encode(codec, answer)
            if self._meter is not None:
                self._meter.ended(execution, outcome_of(answer))
            return data
        except BaseException as error:  # also from an encoder that the user registered
            return self._encode_failure(execution, answer.events, self._explain(execution, answer, error, codec))

    def _boxed(self, codec: Codec, execution: Execution, found: Any) -> Boxed:
        """The writes or the command of a task. Large values are moved out if its coordinator takes names."""
        if not execution.names:
            return codec.box(plain_writes(found))
        if execution.origins is not None and type(found) is list:
            found = execution.origins.in_writes(found)
            execution.origins = None
        box, execution.blobs = self._results.boxed(codec, found, execution.run, execution.node)
        return box

    def _encode_failure(
        self, execution: Execution, events: int, failure: Failure, answer: TaskError | None = None
    ) -> bytes:
        """The answer that a task has failed. `answer` is what its own code's failure says beside the error."""
        failure.place = place_of(execution.node, execution.executor)
        if not execution.cancelled:  # who cancelled it has logged that
            tell_failure(execution, failure)
        if self._meter is not None:
            outcome, named = (CANCELLED, "") if execution.cancelled else (FAILED, failure.class_name)
            self._meter.ended(execution, outcome, named)
        error = TaskError(
            execution.run,
            execution.task,
            execution.attempt,
            execution.executor,
            failure,
            execution.token,
            events,
        )
        if answer is not None:
            error.rows, error.took = list(answer.rows), answer.took
            error.retry_ms, error.called, error.answers = answer.retry_ms, answer.called, answer.answers
            error.unfit_answer = answer.unfit_answer
        try:
            return wire.encode(self._codec, error)
        except BaseException:  # an encoder worked once and not twice: send the exception without its arguments
            failure.args, error.rows = None, []
            return wire.encode(self._codec, error)

    def _explain(self, execution: Execution, answer: Answer, error: BaseException, codec: Codec) -> Failure:
        """The failure of an answer that cannot be encoded, with the key path as the user's state has it."""
        if isinstance(error, EncodeError):
            writes = answer.writes if isinstance(answer, TaskResult) else []
            error = of_answer(error, codec, writes, execution.node)
        return describe(error, codec)
