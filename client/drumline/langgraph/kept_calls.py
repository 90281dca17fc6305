"""What a thread has of the `@task`s that a node calls: a run that goes on does not make those again that have ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph._internal import _constants as keys

from drumline.langgraph.saver_calls import acall, method_of
from drumline.langgraph.their_dicts import config_at
from drumline.langgraph.thread_saver import saver_of
from drumline_graph.channels.base import MISSING
from drumline_protocol.checkpoints import RESUME, Outcome, joined_ns, outcomes
from drumline_worker.job import Job


class KeptCalls:
    """Results of the calls of one task, and answers to their questions, by the calls' ids.

    They lie beside what tasks have written, where LangGraph keeps them too. What the saver raises passes through.
    """

    def __init__(self, job: Job) -> None:
        thread = job.thread
        self._saver: Any = None if thread is None else saver_of(thread)
        self._place = {} if thread is None else config_at(thread.id, joined_ns(job.ns), thread.checkpoint)
        resumes = thread is not None and self._saver is not None and thread.resumes
        self._found: dict[str, Outcome] | None = None if resumes else {}

    def of(self, id_: str) -> Outcome:
        """What an earlier run has left of a call."""
        if self._found is None:
            self._take(self._saver.get_tuple(self._place))
        assert self._found is not None
        return self._found.get(id_) or Outcome()

    async def aload(self) -> None:
        """Read what there is, for code on an event loop, where `of` must not wait."""
        if self._found is None:
            self._take(await acall(self._saver, "get_tuple", self._place))

    def _take(self, found: Any) -> None:
        self._found = {} if found is None else outcomes(found.pending_writes or ())

    def keep(self, id_: str, writes: Sequence[tuple[str, Any]], path: str) -> None:
        """Keep the result of a call, or the answers that it has had."""
        if self._saver is not None and (kept := _kept(writes)):
            method_of(self._saver, "put_writes")(self._place, kept, id_, path)

    async def akeep(self, id_: str, writes: Sequence[tuple[str, Any]], path: str) -> None:
        """The twin of `keep`."""
        if self._saver is not None and (kept := _kept(writes)):
            await acall(self._saver, "put_writes", self._place, kept, id_, path)


def result_of_call(outcome: Outcome) -> Any:
    """What a call has returned; MISSING if it has not ended."""
    return next((value for channel, value in outcome.output if channel == keys.RETURN), MISSING)


def _kept(writes: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The result of an ended call, else the newest answers."""
    results = [write for write in writes if write[0] == keys.RETURN]
    return results or [write for write in writes if write[0] == RESUME][-1:]
