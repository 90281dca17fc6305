"""The desk: a worker's protocol side. From a delivered entry to a job, and from its answer to bytes. No IO, no threads.

The service and the simulator both work through this class.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
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
from drumline_worker.job import Job, portable_event
from drumline_worker.node import Answer
from drumline_worker.outbox import BURST_BYTES_MAX, Outbox, Slot
from drumline_worker.registry import NotHeld, Registry
from drumline_worker.results import Results, check_entry, plain_writes
from drumline_worker.telling import tell_failure
from drumline_worker.values import Values

log = logging.getLogger("drumline.worker")


class Desk:
    """Takes deliveries in and writes answers out, for one executor."""

    def __init__(
        self,
        registry: Registry,
        outbox: Outbox,
        executor: str,
        values: Values,
        partitions: int,
        results: Results | None = None,
    ) -> None:
        self._registry = registry
        self._codec = registry.codec
        self._outbox = outbox
        self._executor = executor
        self._values = values
        self._partitions = partitions
        self._results = results or Results()

    def open(self, delivery: Delivery) -> tuple[Slot, TaskMessage] | None:
        """Read an entry. None if it cannot be read: it stays pending, the coordinator sees that nobody renews it, and
        sends the task again. Whatever it holds, this worker goes on.
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
        slot = Slot(
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
            names=shared.names,
        )
        return slot, message

    def job(self, slot: Slot, message: TaskMessage) -> Job | None:
        """The job of a task. None if it cannot run here: the reason is already on its way."""
        codec, outbox = self._registry.codec_of(slot.graph), self._outbox

        def emit(kind: int, payload: Any, header: Any) -> None:
            if kind >= NESTED:
                payload = portable_event(kind, payload, codec)
            try:
                item = wire.encode_item(codec, kind, payload, header)
                if len(item) > BURST_BYTES_MAX:
                    check_entry(item, "value", payload, "")
            except EncodeError as error:
                raise of_event(error, kind, slot.node) from None
            outbox.event(slot, item)

        try:
            job = self._registry.job(message, emit, self._executor, self._values)
            job.fate = slot
            return job
        except NotHeld as error:
            self.refuse(slot, str(error))
        except CellMissing as error:
            reason = f"its message is older than what is kept of the values that it names: {error}"
            self.refuse(slot, reason, values_gone=True)
        except NoBroker as error:
            self.refuse(slot, f"the values that it names could not be read: {error}")
        except BaseException as error:  # of a schema or mapper of the graph, which may raise what it likes
            self.answer(slot, TaskError(slot.run, slot.task, slot.attempt, slot.executor, error))
        return None

    def refuse(self, slot: Slot, reason: str, *, values_gone: bool = False) -> None:
        """Give a task back: nothing of it was run. `values_gone`: the cell store lacks what its message names."""
        refused = Refused(slot.run, slot.task, slot.attempt, slot.executor, reason, slot.token, values_gone)
        self._outbox.answer(slot, wire.encode(self._codec, refused))

    def answer(self, slot: Slot, answer: Answer) -> None:
        """Put a task's answer into the outbox."""
        self._outbox.answer(slot, self.seal(slot, answer))

    def seal(self, slot: Slot, answer: Answer) -> bytes:
        """A task's answer as bytes. What cannot be encoded becomes the task's error.

        From now on, what the task still emits goes out behind its answer.
        """
        codec = self._registry.codec_of(slot.graph)
        answer.token = slot.token
        answer.events = self._outbox.seal(slot)
        try:
            if isinstance(answer, TaskResult):
                # Here, so that no reducer in the coordinator draws an id that a second attempt would not draw.
                identify_writes(slot.task, answer.writes)
                answer.writes = self._boxed(codec, slot, answer.writes)
            elif isinstance(answer, TaskBubbled):
                identify_update(slot.task, answer.command.update)
                answer.command = self._boxed(codec, slot, answer.command)
            elif isinstance(answer, TaskInterrupt):
                box = codec.box(answer.interrupts, "interrupts")
                check_entry(box.data, "interrupts", answer.interrupts, f"what node {slot.node!r} asked")
                answer.interrupts = box
            else:
                return self._seal_failure(slot, answer.events, describe(answer.error, codec), answer.rows)
            return wire.encode(codec, answer)
        except BaseException as error:  # encoders that the user registered are among what was called
            return self._seal_failure(slot, answer.events, self._explain(slot, answer, error, codec))

    def _boxed(self, codec: Codec, slot: Slot, found: Any) -> Boxed:
        """The writes or the command of a task. What is large is moved out, if its coordinator takes names."""
        if not slot.names:
            return codec.box(plain_writes(found))
        box, slot.blobs = self._results.boxed(codec, found, slot.run, slot.node)
        return box

    def _seal_failure(self, slot: Slot, events: int, failure: Failure, rows: Sequence[bytes] = ()) -> bytes:
        failure.place = place_of(slot.node, slot.executor)
        if not slot.void:  # else it was cancelled, which is told where it is heard
            tell_failure(slot, failure)
        error = TaskError(slot.run, slot.task, slot.attempt, slot.executor, failure, slot.token, events, list(rows))
        try:
            return wire.encode(self._codec, error)
        except BaseException:  # an encoder that changed its mind: the exception goes without its arguments
            failure.args, error.rows = None, []
            return wire.encode(self._codec, error)

    def _explain(self, slot: Slot, answer: Answer, error: BaseException, codec: Codec) -> Failure:
        """The failure of an answer that cannot be encoded, with the key path as the user's state has it."""
        if isinstance(error, EncodeError):
            writes = answer.writes if isinstance(answer, TaskResult) else []
            error = of_answer(error, codec, writes, slot.node)
        return describe(error, codec)
