"""Streams of a cluster run, for sync and async callers: iterators with `.run_id` and `.position`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from drumline.cluster.appetite import Appetite
from drumline.cluster.children import Caller
from drumline.cluster.controls import ControlledRun
from drumline.cluster.late import LateStart
from drumline.cluster.leaving import Canceller
from drumline.cluster.position import BEGINNING, Position, position_text, run_tag
from drumline.cluster.reader import RunReader
from drumline_graph.errors import DrumlineError
from drumline_protocol.errors import NoCoordinator, RunCancelled
from drumline_protocol.limits import ACCEPT_TIMEOUT_MS
from drumline_transport.after_fork import forks
from drumline_transport.broker import AsyncLogReader, LogEntry, LogReader

if TYPE_CHECKING:
    from typing_extensions import Self

#: what a stream yields: parts of `version="v2"`, or anything
ItemT = TypeVar("ItemT")

#: how long one read of the log waits
READ_BLOCK_MS = 1000

_VOID = "the node that waited for it is for nothing: its own run has ended"


class _Stream(Generic[ItemT]):
    """What both kinds of stream share: what was read and not yet yielded, and how the stream ends."""

    def __init__(
        self,
        run_id: str,
        reader: RunReader,
        *,
        begin: Callable[[], None] | None,
        late: LateStart | None,
        cancel: Callable[[], None] | None,
        withdraw: Callable[[], None] | None = None,
        idle: Callable[[], None],
        canceller: Canceller,
        caller: Caller | None = None,
        control: ControlledRun | None = None,
        in_vain: Callable[[float], bool],
        start: Position = BEGINNING,
    ) -> None:
        self.run_id = run_id
        self._reader = reader
        self._begin = begin
        self._late = late
        self._cancel = cancel
        self._withdraw = withdraw
        self._idle = idle
        self._canceller = canceller
        self._caller = caller
        self._place = None if caller is None else caller.place
        self._control = control
        #: what the canceller knows the run by, for the end of the interpreter
        self._watched: int | None = None
        #: the run's request is sent, or may be
        self._begun = False
        #: the caller has gone, perhaps while another thread was just beginning the run
        self._left = False
        self._in_vain = in_vain
        #: read and not decoded: one entry at a time is, when somebody asks for its items
        self._entries: deque[LogEntry] = deque()
        self._ready: deque[tuple[Any, Position]] = deque()
        self._appetite = Appetite()
        self._position = start
        self._tag = run_tag(run_id)
        self._deadline = 0.0
        self._closed = False
        #: the process in which the run was begun: a copy in the child of a fork cancels nothing
        self._process = forks()

    @property
    def position(self) -> str:
        """Where the stream is: give it to `join(run_id, after=...)` to go on behind the last item yielded."""
        return position_text(self._position, self._tag)

    def _start(self) -> None:
        """Begin the run. An async stream does this in another thread, while its caller may be cancelled."""
        begin, self._begin = self._begin, None
        self._process = forks()
        try:
            if begin is not None:
                begin()
        except Exception:
            self._cancel = None  # nothing was begun
            raise
        finally:
            self._watch()
            self._begun = True
        late, self._late = self._late, None
        if late is not None:
            self._ready.extend(late.enter(self._reader))
        self._deadline = time.monotonic() + ACCEPT_TIMEOUT_MS / 1000
        if self._caller is not None:
            self._caller.waits(True)
        if self._control is not None:
            self._control.begin()
        if self._left:
            self._abandon()

    def _next_ready(self) -> ItemT:
        item: ItemT
        item, self._position = self._ready.popleft()
        return item

    def _decode_next(self) -> None:
        self._ready.extend(self._reader.feed((self._entries.popleft(),)))

    def _took(self, entries: list[LogEntry]) -> None:
        if self._control is not None:
            self._control.look()
        if entries:
            self._appetite.took(entries)
            self._entries.extend(entries)
        else:
            self._took_nothing()

    def _took_nothing(self) -> None:
        """A read came back empty: say so if nobody has accepted the run, or nobody is there to run its tasks."""
        if not self._reader.accepted:
            left_s = self._deadline - time.monotonic()
            in_vain = left_s > 0 and self._in_vain(ACCEPT_TIMEOUT_MS - left_s * 1000)
            if left_s <= 0 or in_vain:
                self._cancel, self._withdraw = self._withdraw, None
                self._watch()
                waited_s = round(ACCEPT_TIMEOUT_MS / 1000 - max(0.0, left_s), 1)
                raise NoCoordinator(waited_s, None, 0 if in_vain else None)
        else:
            self._idle()

    def _to_cancel(self) -> Callable[[], None] | None:
        """What ends the run of a stream that is left; None if nothing shall, or if another thread will when it can."""
        self._left = True
        if not self._begun:
            return None
        self._wait_no_more()
        cancel, self._cancel = self._cancel, None
        return cancel if self._unwatch() and not self._reader.ended else None

    def _wait_no_more(self) -> None:
        caller, self._caller = self._caller, None
        if caller is not None:
            caller.waits(False)
        if self._place is not None:
            self._place.leave()
        control, self._control = self._control, None
        if control is not None:
            control.end()

    @property
    def _is_in_void(self) -> bool:
        """Whether the node that reads this stream is for nothing, so that nothing may go on for it elsewhere."""
        return self._begin is None and self._caller is not None and self._caller.gone

    def _watch(self) -> None:
        if self._cancel is not None and self._watched is None:
            self._watched = self._canceller.watch(self._cancel)

    def _unwatch(self) -> bool:
        """Whether the end of the run is still this stream's business."""
        number, self._watched = self._watched, None
        return number is not None and self._process == forks() and self._canceller.unwatch(number)

    def _abandon(self) -> None:
        cancel = self._to_cancel()
        if cancel is not None:
            cancel()

    def _drop(self, close_log: Callable[[], None] | None) -> None:
        """The stream is garbage: give back its connection and cancel its run, somewhere else."""
        cancel = self._to_cancel()

        def act() -> None:
            if close_log is not None:
                close_log()
            if cancel is not None:
                cancel()

        if self._process == forks() and (cancel is not None or close_log is not None):
            self._canceller.soon(act)

    def _end(self) -> None:
        """The log is read to its end: raise what ended the run, if it failed, or asks the node that waits for it."""
        self._cancel = None
        self._wait_no_more()
        self._unwatch()
        failure: BaseException | None = None
        if self._reader.failure is not None:
            failure, self._reader.failure = self._reader.failure, None
        end, self._reader.end = self._reader.end, None
        if self._place is not None and end is not None:
            self._place.keep(self.run_id, end)
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # the error leads to this frame, by its traceback


class RunStream(_Stream[ItemT]):
    """Items of a run as an iterator. Nothing is sent before the first item is asked for.

    `close()` (or dropping the last reference) cancels the run unless the stream was opened with
    `on_close="continue"` or by `join`.
    """

    def __init__(self, run_id: str, reader: RunReader, log: Callable[[], LogReader], **rest: Any):
        super().__init__(run_id, reader, **rest)
        self._open_log = log
        self._log: LogReader | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ItemT:
        while not self._ready:
            if self._closed:
                raise StopIteration
            if self._reader.ended:
                self.close()
                self._end()
                raise StopIteration
            try:
                if self._entries:
                    self._decode_next()
                else:
                    self._read()
            except BaseException as error:
                self._close_log()
                self._closed = True
                if _ends_the_run(error):
                    self._abandon()
                else:
                    self._to_cancel()
                raise
        return self._next_ready()

    def _read(self) -> None:
        if self._log is None:
            self._start()
            self._log = self._open_log()
        if self._is_in_void:
            self._abandon()
            raise RunCancelled(self.run_id, _VOID)
        self._took(self._log.read(self._reader.after, self._appetite.count, READ_BLOCK_MS))

    def close(self) -> None:
        """Stop reading. A run that this stream started is cancelled, unless it has ended."""
        if not self._closed:
            self._closed = True
            self._close_log()
            self._abandon()

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    def __del__(self) -> None:
        with suppress(Exception):  # the interpreter may be going down; a vanished client cancels nothing
            self._drop(None if self._log is None else self._log.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class AsyncRunStream(_Stream[ItemT]):
    """The twin of `RunStream` for an event loop. `aclose()` cancels the run."""

    def __init__(self, run_id: str, reader: RunReader, log: Callable[[], AsyncLogReader], **rest: Any):
        super().__init__(run_id, reader, **rest)
        self._open_log = log
        self._log: AsyncLogReader | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ItemT:
        while not self._ready:
            if self._closed:
                raise StopAsyncIteration
            if self._reader.ended:
                await self.aclose()
                self._end()
                raise StopAsyncIteration
            try:
                if self._entries:
                    await self._fetch_next()
                    self._decode_next()
                else:
                    await self._read()
            except BaseException as error:
                await self._close_log()
                self._closed = True
                await self._leave(error)
                raise
        return self._next_ready()

    async def _read(self) -> None:
        if self._log is None:
            import asyncio

            await asyncio.to_thread(self._start)
            self._log = self._open_log()
        if self._is_in_void:
            await _done(self._noted())
            raise RunCancelled(self.run_id, _VOID)
        entries = await self._log.read(self._reader.after, self._appetite.count, READ_BLOCK_MS)
        if entries:
            self._took(entries)
        else:  # what to make of that is asked of the broker, for which the loop must not wait
            import asyncio

            await asyncio.to_thread(self._took, entries)

    async def _fetch_next(self) -> None:
        """Large values are read in another thread: the loop must not wait for a broker."""
        entry = self._entries[0]
        if self._reader.names_values(entry):
            import asyncio

            await asyncio.to_thread(self._reader.fetch, entry)

    async def aclose(self) -> None:
        """Stop reading. A run that this stream started is cancelled, unless it has ended."""
        if not self._closed:
            self._closed = True
            done = self._noted()  # first: in a scope that is cancelled the next `await` is the end of this call
            await self._close_log()
            await _done(done)

    def _noted(self) -> Future[None] | None:
        """The run's end is asked for in another thread: the loop must not wait for a broker."""
        cancel = self._to_cancel()
        if cancel is None:
            return None
        done: Future[None] = Future()
        self._canceller.soon(cancel, done)
        return done

    async def _leave(self, error: BaseException) -> None:
        if isinstance(error, NoCoordinator):
            await _done(self._noted())
            return
        cancel = self._to_cancel()
        if cancel is not None and _ends_the_run(error):
            self._canceller.soon(cancel)  # who is cancelled waits for nothing

    async def _close_log(self) -> None:
        if self._log is not None:
            log, self._log = self._log, None
            await log.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self._drop(None if self._log is None else self._log.release)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()


async def _done(done: Future[None] | None) -> None:
    if done is not None:
        import asyncio

        await asyncio.wrap_future(done)


def _ends_the_run(error: BaseException) -> bool:
    """Whether a stream that this was raised in takes its run with it, as if it had been closed.

    So do Ctrl-C, the cancelling of an async caller, errors of user code (a schema's), and that nobody accepted the run.
    Trouble with broker or log does not: the run may be joined again. And the run that has this id may be another's.
    """
    return isinstance(error, NoCoordinator) or not isinstance(error, DrumlineError)
