"""What keeps threads: the interface that memory, SQLite and LangGraph's savers have here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Protocol

from drumline_graph.program import Program
from drumline_protocol.checkpoints import Save, Saved


class Threads(Protocol):
    """Keeps the checkpoints of threads, by thread id, namespace (`""`: the root graph) and checkpoint id.

    It belongs to one run of one graph, whose classes it knows. Values that it gives belong to the caller. Whatever its
    storage raises passes through.
    """

    @property
    def is_fast(self) -> bool:
        """Whether writing takes so little that nothing is won by doing it in the background."""
        ...

    @property
    def is_exact(self) -> bool:
        """Whether values come back as they were. LangGraph's serializers give lists for tuples, and models on which
        each field counts as set."""
        ...

    def get(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:
        """A checkpoint with its pending writes; without an id the newest one. None if there is none."""
        ...

    def history(
        self,
        thread: str,
        ns: str,
        *,
        before: str = "",
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Iterator[Saved]:
        """Checkpoints, the newest first: those older than `before`, whose metadata has these items."""
        ...

    def prepare(self, thread: str, saves: Sequence[Save]) -> Sequence[Any]:
        """What is to be written of these. Their values are read before this returns."""
        ...

    def skip(self, thread: str, saves: Sequence[Save]) -> None:
        """These were done and are not to be kept; what is saved next stands on them."""
        ...

    def write(self, prepared: Sequence[Any]) -> None:
        """Keep what `prepare` gave, in order. What is kept already stays as it is."""
        ...

    def save(self, thread: str, saves: Sequence[Save]) -> None:
        """Keep these, in order: `prepare` and `write` in one."""
        ...

    async def aget(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:
        """The twin of `get`."""
        ...

    def ahistory(
        self,
        thread: str,
        ns: str,
        *,
        before: str = "",
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Saved]:
        """The twin of `history`."""
        ...

    async def awrite(self, prepared: Sequence[Any]) -> None:
        """The twin of `write`."""
        ...

    async def asave(self, thread: str, saves: Sequence[Save]) -> None:
        """The twin of `save`."""
        ...


def threads_of(saver: Any, program: Program, base: str = "") -> Threads:
    """The threads that a saver keeps, for one run of a graph: drumline's own savers, and LangGraph's.

    `base` is the namespace of the graph: that of the task whose node calls it. `saver` may be the `Threads` of the run
    around it too.

    TypeError for what is no saver.
    """
    own = getattr(saver, "threads_for", None)
    if own is not None:
        threads: Threads = own(program, base)
        return threads
    if not all(callable(getattr(saver, name, None)) for name in ("get_tuple", "put", "put_writes", "list")):
        raise TypeError(
            f"graph {program.name!r} was compiled with a checkpointer that is no saver: {type(saver).__name__}. "
            "Pass one of drumline.checkpoint, or one with LangGraph's interface (get_tuple, list, put, put_writes)."
        )
    return followed(saver, program, base)


def followed(saver: Any, program: Program, base: str) -> Threads:
    """The threads that a saver of LangGraph's interface keeps."""
    from drumline_transport.after_fork import late_import

    with late_import():
        from drumline.langgraph.saver import FollowedThreads

    return FollowedThreads(saver, program, base)
