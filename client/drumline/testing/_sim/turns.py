"""Nodes that wait for calls of `@task`s while the simulator goes on: each runs on a thread, one at a time.

Without such calls a node runs at one stroke. With them it runs up to the first result that it lacks, and goes on, up to
the next one, when its worker has heard of it. The simulator waits for it meanwhile, so nothing happens at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Protocol, cast

from drumline_graph.program import Node
from drumline_protocol.messages import CallEnded
from drumline_worker.calling import WorkerCalls
from drumline_worker.futures import TaskFuture
from drumline_worker.job import Job
from drumline_worker.loop import shared_loop
from drumline_worker.outbox import Execution

#: how long a node may take until it waits or ends, in real seconds
PATIENCE_S = 30.0
#: how often a loop turns before a coroutine that has calls counts as waiting for them
_TURNS = 100


class Turn(Protocol):
    """The code of one execution."""

    def start(self) -> None:
        """Let it run."""
        ...

    def settle(self) -> bool:
        """Wait until it waits for a call, or has ended: then True."""
        ...


class ThreadTurn:
    """Sync code, on a thread of its own."""

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self._name = name
        self._run = run
        self._changed = threading.Condition()
        self._over = False
        self._waits_for: Future[Any] | None = None

    def start(self) -> None:
        """Let it run."""
        threading.Thread(target=self._serve, name=f"drumline-sim-{self._name}", daemon=True).start()

    def _serve(self) -> None:
        try:
            self._run()
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def waits(self, future: Future[Any] | None) -> None:
        """The code begins to wait for a result, or has it (None)."""
        with self._changed:
            self._waits_for = future
            self._changed.notify_all()

    def settle(self) -> bool:
        """Wait until it waits for a call, or has ended: then True. RuntimeError if it does neither."""
        with self._changed:
            if not self._changed.wait_for(self._is_still, PATIENCE_S):
                raise RuntimeError(
                    f"node {self._name!r} neither ended nor asked a @task for its result within {PATIENCE_S:g} s. In a "
                    "simulation a node waits for calls by .result() or await, one after the other."
                )
            return self._over

    def _is_still(self) -> bool:
        return self._over or (self._waits_for is not None and not self._waits_for.done())


class LoopTurn:
    """Async code, on the shared loop of this process."""

    def __init__(self, execution: Execution, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._execution = execution
        self._coroutine = coroutine
        self._future: Any = None

    def start(self) -> None:
        """Let it run."""
        self._future = shared_loop().submit(self._coroutine)

    def settle(self) -> bool:
        """Wait until it waits for a call, or has ended: then True."""
        return shared_loop().submit(self._settle()).result()

    async def _settle(self) -> bool:
        while True:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            if self._future.done():
                return True
            if self._execution.calls is not None and self._execution.calls.waits:
                return False
            await asyncio.wait({asyncio.wrap_future(self._future)}, timeout=0.01)


class SimCalls(WorkerCalls):
    """A worker's calls; the simulator knows which code waits for them."""

    def __init__(self, calls: WorkerCalls) -> None:
        self.__dict__.update(calls.__dict__)
        #: code that has not ended
        self.turns: dict[Execution, Turn] = {}

    def call(self, job: Job, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        future = super().call(job, node, args, kwargs)
        turn = self.turns.get(cast("Execution", job.fate))
        if isinstance(future, TaskFuture) and isinstance(turn, ThreadTurn):
            future.waiter = turn.waits
        return future

    def hear(self, executions: list[Execution], message: CallEnded, data: bytes) -> None:
        for execution in executions:
            super().hear([execution], message, data)
            self.settle(execution)

    def begin(self, execution: Execution, turn: Turn) -> None:
        """Let the code of an execution run until it waits."""
        self.turns[execution] = turn
        turn.start()
        self.settle(execution)

    def settle(self, execution: Execution) -> None:
        """Wait until the code of an execution waits, or has ended."""
        turn = self.turns.get(execution)
        if turn is not None and turn.settle():
            del self.turns[execution]

    def settle_cancelled(self) -> None:
        """Code whose execution was cancelled is told where it waits: let it go on from there."""
        for execution in list(self.turns):
            if execution.cancelled:
                self.settle(execution)

    def end(self) -> None:
        """The worker is gone: code that waits is told, and runs to its end unheard."""
        for execution in list(self.turns):
            execution.cancelled = True
            if execution.calls is not None:
                execution.calls.abandon()
            self.settle(execution)
