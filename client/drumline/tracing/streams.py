"""Streams of a cluster run that tell callback handlers of what they read.

The handlers hear what this stream has read, so they hear nothing while nobody reads.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from drumline.cluster.stream import AsyncRunStream, RunStream
from drumline.tracing.run import RunTrace
from drumline.views import View
from drumline_transport.after_fork import forks


class Overheard:
    """A view whose facts are followed by a trace, too."""

    def __init__(self, view: View, trace: RunTrace) -> None:
        self._view = view
        self._trace = trace

    #: a trace tells of all that nodes get and write
    shows_values = shows_arguments = folds_cells = True

    def fold(self, fact: Any) -> list[Any]:
        """The items of the view."""
        self._trace.fold(fact)
        return self._view.fold(fact)


def _dropped(stream: Any) -> None:
    """A stream that is garbage ends its trace, unless it is a copy in the child of a fork."""
    with suppress(Exception):  # the interpreter may be going down
        if stream._process == forks():
            stream._trace.drop()


class TracedRunStream(RunStream[Any]):
    """A `RunStream` whose reader's view is `Overheard`."""

    def __init__(self, *args: Any, trace: RunTrace, **rest: Any) -> None:
        self._trace = trace
        super().__init__(*args, **rest)

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except StopIteration:
            self._trace.end()
            raise
        except BaseException as error:
            self._trace.fail(error)
            raise

    def _start(self) -> None:
        self._trace.begin()
        super()._start()

    def _decode_next(self) -> None:
        super()._decode_next()
        self._trace.flush()

    def __del__(self) -> None:
        _dropped(self)
        super().__del__()

    def close(self) -> None:
        super().close()
        if not self._reader.ended:
            self._trace.fail(GeneratorExit())


class TracedAsyncRunStream(AsyncRunStream[Any]):
    """The twin of `TracedRunStream` for an event loop."""

    def __init__(self, *args: Any, trace: RunTrace, **rest: Any) -> None:
        self._trace = trace
        super().__init__(*args, **rest)

    async def __anext__(self) -> Any:
        try:
            item = await super().__anext__()
            await self._trace.aflush()
            return item
        except StopAsyncIteration:
            await self._trace.aend()
            raise
        except BaseException as error:
            await self._trace.afail(error)
            raise

    async def _read(self) -> None:
        if self._log is None:
            await self._trace.abegin()
        await self._trace.aflush()  # what was decoded and made no item
        await super()._read()

    def __del__(self) -> None:
        _dropped(self)
        end = getattr(super(), "__del__", None)
        if end is not None:
            end()

    async def aclose(self) -> None:
        await super().aclose()
        if not self._reader.ended:
            await self._trace.afail(GeneratorExit())
