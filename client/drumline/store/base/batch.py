"""A store whose calls on one event loop run as batches (LangGraph's `langgraph.store.base.batch`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from drumline.store.base.ops import GetOp, ListNamespacesOp, Op, PutOp, Result, SearchOp
from drumline.store.base.store import BaseStore

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["AsyncBatchedBaseStore", "F"]


class AsyncBatchedBaseStore(BaseStore):
    """Gathers the operations that tasks of its event loop ask for at once, and runs them as one batch.

    A subclass gives `abatch`. It belongs to the loop in which it was made. Sync methods are for other threads: on its
    own loop they would wait for ever, and raise `asyncio.InvalidStateError`.
    """

    __slots__ = ("_loop", "_waiting")

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        #: operations that the next batch runs, and who waits for them
        self._waiting: list[tuple[asyncio.Future[Any], Op]] = []

    async def _ask(self, op: Op) -> Result:
        """Run one operation together with what others ask."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append((future, op))
        if len(self._waiting) == 1:
            self._loop.call_soon(self._begin)
        found: Result = await future
        return found

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, []
        task = self._loop.create_task(self._run([pair for pair in waiting if not pair[0].done()]))
        for future, _ in waiting:
            # whoever waits keeps the batch alive
            future.add_done_callback(lambda _done, _task=task: None)  # type: ignore[misc]

    async def _run(self, waiting: list[tuple[asyncio.Future[Any], Op]]) -> None:
        if not waiting:
            return
        ops, places = _each_once([op for _, op in waiting])
        try:
            results = await self.abatch(ops)
        except Exception as error:
            for future, _ in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        for (future, _), place in zip(waiting, places, strict=True):
            if not future.done():
                future.set_result(results[place])

    # -- for other threads ----------------------------------------------------------------------------

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations on its loop, from another thread."""
        try:
            here: Any = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            raise asyncio.InvalidStateError(
                f"a sync method of {type(self).__name__} was called on its own event loop, which would wait for "
                "itself: use the async one, as in `await store.aget(...)` for `store.get(...)`"
            )
        return asyncio.run_coroutine_threadsafe(_awaited(self.abatch(ops)), self._loop).result()


async def _awaited(answer: Any) -> list[Result]:
    found: list[Result] = await answer
    return found


def _each_once(ops: list[Op]) -> tuple[list[Op], list[int]]:
    """Operations without repeats, and for each given one the place of its result.

    Equal reads are read once. Of several puts of one key the last one is done, in the place of the first.
    """
    kept: list[Op] = []
    places: list[int] = []
    puts: dict[Any, int] = {}
    for op in ops:
        place = len(kept)
        if isinstance(op, PutOp):
            place = puts.setdefault((op.namespace, op.key), place)
        elif isinstance(op, (GetOp, SearchOp, ListNamespacesOp)) and op in kept:
            place = kept.index(op)
        if place == len(kept):
            kept.append(op)
        elif isinstance(op, PutOp):
            kept[place] = op
        places.append(place)
    return kept, places
