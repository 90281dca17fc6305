"""Calls of `@task`s on a worker: from the code of a task to the coordinator, and what became of them back to it.

A call leaves through the outbox, in order with what its caller emits. Its end comes on the control stream, which all
workers read. Both may get lost with a broker that loses its tail: a call that waits for long is asked for again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, cast

from drumline_graph.called_tasks import code_of
from drumline_graph.constants import RETURN
from drumline_graph.error_classes import error_classes_of
from drumline_graph.errors import DrumlineError, GraphInterrupt, TaskOutOfReach
from drumline_graph.program import Node
from drumline_protocol import wire
from drumline_protocol.codec import Boxed
from drumline_protocol.errors import EncodeError, NoBroker
from drumline_protocol.failure import describe, rebuild
from drumline_protocol.limits import CALLS_DEEP_MAX, NAMED_BYTES_MIN
from drumline_protocol.messages import CallEnded, DrainRun, TaskCall
from drumline_worker.call_digest import digest_of_encoded
from drumline_worker.futures import future_here, give, leave
from drumline_worker.job import Job
from drumline_worker.outbox import Execution, Outbox
from drumline_worker.results import Results, check_entry
from drumline_worker.run_control import RunControl
from drumline_worker.values import Values

if TYPE_CHECKING:
    from drumline_protocol.named import Blob
    from drumline_worker.registry import Registry

#: A call that has waited for so many turns of the keeper (a lease) is asked for again, and then ever more rarely.
ASK_AGAIN_TURNS = 4
_RARELY = 32

#: the class of the error that a call has which its caller has cancelled
_CANCELLED = "asyncio.exceptions.CancelledError"


@dataclass(slots=True)
class _Waiting:
    """A call that has not ended."""

    future: Any
    data: bytes
    blobs: list[Blob]
    turns: int = 0


class MadeCalls:
    """The calls that one execution has made."""

    def __init__(self, execution: Execution, job: Job, outbox: Outbox) -> None:
        self.job = job
        self._execution = execution
        self._outbox = outbox
        self._lock = threading.Lock()
        self._numbers = count(job.calls_from)
        self._waiting: dict[int, _Waiting] = {}
        self._over = False

    def number(self) -> int:
        """The number of the next call."""
        with self._lock:
            return next(self._numbers)

    def send(self, index: int, waiting: _Waiting) -> None:
        """Send a call. If nobody waits for this execution any more, its future is cancelled."""
        with self._lock:
            over = self._over or self._execution.cancelled or self._execution.answered
            if not over:
                self._waiting[index] = waiting
                # Under the lock: the end of an earlier call, which another thread hears, must not be told after this.
                self._execution.calls_wait(True)
        if over:
            leave(waiting.future)
            return
        self._outbox.say(self._execution, waiting.data, waiting.blobs)

    def cancel(self, index: int, end: Callable[[], bytes]) -> None:
        """The caller has cancelled a call: the coordinator is told.

        Not if it was cancelled since nobody waits for this execution: another attempt finds the call as it is.
        """
        with self._lock:
            waiting = self._waiting.pop(index, None)
            if waiting is not None and not self._waiting:
                self._execution.calls_wait(False)
        if waiting is not None and not self._execution.cancelled:
            self._outbox.say(self._execution, end())

    @property
    def waits(self) -> bool:
        """Whether a call has not ended."""
        return bool(self._waiting)

    def waits_for(self, index: int) -> bool:
        """Whether a call has not ended."""
        with self._lock:
            return index in self._waiting

    def end(self, index: int, result: Any, error: BaseException | None) -> None:
        """A call has ended."""
        with self._lock:
            waiting = self._waiting.pop(index, None)
            if not self._waiting:
                self._execution.calls_wait(False)
        if waiting is not None:
            give(waiting.future, result, error)

    def abandon(self) -> None:
        """Nobody waits for this execution any more: its code is told where it waits."""
        with self._lock:
            self._over = True
            waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            leave(each.future)

    def ask_again(self) -> None:
        """A turn of the keeper: send those calls again that have waited for long."""
        with self._lock:
            for waiting in self._waiting.values():
                waiting.turns += 1
            late = [waiting for waiting in self._waiting.values() if _is_late(waiting.turns)]
        for waiting in late:
            self._outbox.say(self._execution, waiting.data, waiting.blobs)


def _is_late(turns: int) -> bool:
    return turns >= ASK_AGAIN_TURNS and (turns & (turns - 1) == 0 or turns % _RARELY == 0)


class WorkerCalls:
    """Through what the code of a worker's tasks calls `@task`s (`drumline_worker.job.Calling`)."""

    def __init__(self, registry: Registry, outbox: Outbox, results: Results, values: Values) -> None:
        self._registry = registry
        self._outbox = outbox
        self._results = results
        self._values = values
        self._lock = threading.Lock()

    def call(self, job: Job, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A future of the result: asyncio's on a running loop, else one of `concurrent.futures`.

        TaskOutOfReach for a task that other workers would not find, EncodeError for arguments that cannot cross,
        DrumlineError for calls that are nested too deep.
        """
        execution = cast("Execution", job.fate)
        codec, code = self._registry.codec_of(execution.graph), code_of(self._registry.programs[execution.graph], node)
        if code is None:
            raise TaskOutOfReach(node.name, job.node.name)
        if job.depth >= CALLS_DEEP_MAX:
            raise DrumlineError(
                f"@task {node.name!r}, called in {job.node.name!r}: calls within calls are nested {job.depth} deep, "
                "and no deeper on a cluster. Call the function itself (.func), or turn the recursion into a loop."
            )
        place = f"the arguments of @task {node.name!r}, called in {job.node.name!r}"
        try:
            data = codec.encode([list(args), kwargs], "arguments")
        except EncodeError as error:
            raise error.at(place) from None
        given, blobs = self._argument(execution, Boxed(data, codec), place)
        made = self._made(execution, job)
        if job.limit is not None and job.limit.hears_all:
            job.limit.touch()
        index = made.number()
        call = TaskCall(
            execution.run,
            execution.task,
            execution.attempt,
            execution.executor,
            index,
            node.name,
            given,
            digest_of_encoded(node.name, data),
            code,
            execution.token,
            self._outbox.emitted(execution),
            params=node.action.params_of(args),
        )

        def end() -> bytes:
            cancelled = describe(asyncio.CancelledError(), codec)
            return wire.encode(codec, replace(call, args=None, call=(), code="", error=cancelled))

        future = future_here(lambda: made.cancel(index, end))
        made.send(index, _Waiting(future, wire.encode(codec, call), blobs))
        return future

    def control(self, job: Job) -> RunControl:
        """What a node may ask its run with. Made when somebody looks at it."""
        execution, outbox, codec = cast("Execution", job.fate), self._outbox, self._registry.codec
        control = RunControl()
        control.watch(lambda reason: outbox.say(execution, wire.encode(codec, DrainRun(execution.run, reason))))
        return control

    def _made(self, execution: Execution, job: Job) -> MadeCalls:
        """The calls of an execution: one object, also where threads of its code make the first ones at once."""
        with self._lock:
            made = execution.calls
            if made is None:
                made = execution.calls = MadeCalls(execution, job, self._outbox)
        return cast("MadeCalls", made)

    def _argument(self, execution: Execution, box: Boxed, place: str) -> tuple[Any, list[Blob]]:
        """The arguments of a call as its message has them, and as a blob if they are large."""
        if execution.names and len(box.data) > NAMED_BYTES_MIN:
            name, blob = self._results.named(box.data, execution.run)
            return name, [blob]
        check_entry(box.data, "arguments", None, place)
        return box, []

    def hear(self, executions: list[Execution], message: CallEnded, data: bytes) -> None:
        """Hand on what became of a call to the code that waits. What cannot be read now is asked for again."""
        for execution in executions:
            made = execution.calls
            if execution.attempt != message.attempt or made is None or not made.waits_for(message.index):
                continue
            own = self._registry.codec_of(execution.graph)
            if own is not self._registry.codec:  # the graph shares the name of a class with another one
                message = wire.decode(own, data)
            try:
                made.end(message.index, *self._opened(made.job, execution, message))
            except NoBroker:
                continue
            except BaseException as error:  # of a class of the user
                made.end(message.index, None, error)

    def _opened(self, job: Job, execution: Execution, message: CallEnded) -> tuple[Any, BaseException | None]:
        if message.error is not None:
            if message.error.class_name == _CANCELLED:  # by an attempt before this one
                return None, asyncio.CancelledError()
            return None, rebuild(message.error, error_classes_of(self._registry.programs[execution.graph]))
        if message.interrupts is not None:
            return None, GraphInterrupt(tuple(wire.decode_interrupts(message.interrupts)))
        codec = self._registry.codec_of(execution.graph)
        writes = self._values.in_writes(codec, job.shared, wire.decode_writes(message.writes))
        return next((value for channel, value in writes if channel == RETURN), None), None
