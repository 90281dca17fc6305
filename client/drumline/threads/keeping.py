"""Threads that are kept as rows, as one run sees them: with the classes of its graph, and by change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Protocol

from drumline.threads.encoder import PLAIN, Encoder
from drumline.threads.encoding import Standing, checkpoint_rows, saved_of
from drumline.threads.loading import program_at
from drumline.threads.packed_facts import decode_facts
from drumline.threads.rows import CheckpointRow, Found, Row, Rows, ValueRow, Wanted
from drumline.threads.seen import Look, Unseen
from drumline.threads.seen_store import Seen
from drumline.threads.store import Threads, followed, threads_of
from drumline.threads.written import Carried, name_input, writes_row
from drumline_graph.constants import START
from drumline_graph.program import Program
from drumline_graph.weakly import once_per_object
from drumline_protocol.checkpoints import Checkpoint, Save, Saved, TaskWrites, fingerprint_kept
from drumline_protocol.codec import Codec
from drumline_protocol.graph_codecs import table_of

#: checkpoint rows that are read at once
_PAGE = 32


@once_per_object
def codec_of(program: Program) -> Codec:
    """The codec for values of a graph: it knows the classes that the graph names."""
    return Codec(table_of(program))


class HoldsRows(Protocol):
    """A saver of drumline's."""

    rows: Rows
    seen: Seen


class KeptThreads:
    """`Threads` over rows, for one run of a graph at the namespace `base` (`drumline.threads.store`).

    It remembers what it has read and written of each thread, so that what a step adds is told apart from what was
    there. One run writes with it, one step after the other.
    """

    is_exact = True

    def __init__(self, saver: HoldsRows, program: Program, base: str = "") -> None:
        self._saver = saver
        self._rows = rows = saver.rows
        self._program = program
        self._base = base
        self._graph = f"{fingerprint_kept(program.fingerprint)} {program.name}"
        #: the same over LangGraph's interface, if it was LangGraph that wrote the thread
        self._theirs: Threads | None = None
        self._encoder = Encoder(codec_of(program), takes_objects=rows.takes_objects)
        self._standing: dict[tuple[str, str], Standing] = {}

    @property
    def saver(self) -> HoldsRows:
        """The saver."""
        return self._saver

    def threads_for(self, program: Program, base: str) -> Threads:
        """The same threads for another graph: one that a node of this run calls."""
        if self._theirs is not None:
            return threads_of(self._theirs, program, base)
        return KeptThreads(self._saver, program, base)

    def _at(self, ns: str) -> Program | None:
        return program_at(self._program, self._base, ns)

    @property
    def is_fast(self) -> bool:
        """Whether nothing is won by writing in the background."""
        return self._rows.is_fast

    # -- reading ------------------------------------------------------------------------------------

    def get(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:
        look = self._look(thread, ns)
        found = self._rows.find(thread, ns, checkpoint, look.known)
        if self._is_theirs(found):
            return self._over_langgraph().get(thread, ns, checkpoint)
        try:
            return self._taken(thread, ns, checkpoint, found, look)
        except Unseen:
            found = self._rows.find(thread, ns, checkpoint)
            return self._taken(thread, ns, checkpoint, found, Look(look.place))

    async def aget(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:
        look = self._look(thread, ns)
        found = await self._rows.afind(thread, ns, checkpoint, look.known)
        if self._is_theirs(found):
            return await self._over_langgraph().aget(thread, ns, checkpoint)
        try:
            return self._taken(thread, ns, checkpoint, found, look)
        except Unseen:
            found = await self._rows.afind(thread, ns, checkpoint)
            return self._taken(thread, ns, checkpoint, found, Look(look.place))

    def _look(self, thread: str, ns: str) -> Look:
        return self._saver.seen.look(self._encoder.codec, thread, ns)

    def _is_theirs(self, found: Found | None) -> bool:
        return self._theirs is not None or (found is not None and found.row.is_theirs)

    def _over_langgraph(self) -> Threads:
        if self._theirs is None:
            self._theirs = followed(self._saver, self._program, self._base)
        return self._theirs

    def _taken(self, thread: str, ns: str, checkpoint: str, found: Found | None, look: Look) -> Saved | None:
        if found is None:  # whether other checkpoints are there is known only if none was named
            self._standing[thread, ns] = Standing(newest=None if checkpoint else "")
            return None
        saved = saved_of(self._encoder, self._at(ns), found, look)
        self._saver.seen.keep(look)
        self._standing[thread, ns] = Standing.at(found, saved)
        return saved

    def history(
        self,
        thread: str,
        ns: str,
        *,
        before: str = "",
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Iterator[Saved]:
        while limit is None or limit > 0:
            page = self._rows.page(Wanted(thread, ns, None, before or None), _PAGE)
            for row in _matching(page, metadata):
                if limit is not None and limit <= 0:
                    return
                limit = None if limit is None else limit - 1
                saved = self._shown(row, None if row.is_theirs else self._rows.fill(row))
                yield saved or self._over_langgraph().get(thread, ns, row.id)  # type: ignore[misc]
            if len(page) < _PAGE:
                return
            before = page[-1].id

    async def ahistory(
        self,
        thread: str,
        ns: str,
        *,
        before: str = "",
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Saved]:
        while limit is None or limit > 0:
            page = await self._rows.apage(Wanted(thread, ns, None, before or None), _PAGE)
            for row in _matching(page, metadata):
                if limit is not None and limit <= 0:
                    return
                limit = None if limit is None else limit - 1
                saved = self._shown(row, None if row.is_theirs else await self._rows.afill(row))
                yield saved or await self._over_langgraph().aget(thread, ns, row.id)  # type: ignore[misc]
            if len(page) < _PAGE:
                return
            before = page[-1].id

    def _shown(self, row: CheckpointRow, found: Found | None) -> Saved | None:
        return None if found is None else saved_of(self._encoder, self._at(row.ns), found)

    # -- writing ------------------------------------------------------------------------------------

    def prepare(self, thread: str, saves: Sequence[Save]) -> Sequence[Any]:
        """The rows of these, with their values as they are now. EncodeError for a value that cannot be kept."""
        if self._theirs is not None:
            return self._theirs.prepare(thread, saves)
        rows: list[Row | TaskWrites] = []
        carried: dict[tuple[str, str], Carried] = {}
        inputs: dict[tuple[str, str], Any] = {}
        for each in saves:
            place = thread, each.ns
            standing = self._standing.get(place)
            if standing is None:
                standing = self._standing[place] = Standing()
            if type(each) is Checkpoint:
                new, self._standing[place], carried[each.ns, each.parent] = checkpoint_rows(
                    self._encoder, self._at(each.ns) or self._program, thread, each, standing, self._graph
                )
                rows += new
                inputs[each.ns, each.id] = each.cells.get(START)
            else:
                rows.append(each)  # type: ignore[arg-type]
                standing.note(each.writes)  # type: ignore[union-attr]
        return [self._row(thread, row, inputs, carried) for row in rows]

    def _row(
        self,
        thread: str,
        row: Row | TaskWrites,
        inputs: Mapping[tuple[str, str], Any],
        carried: Mapping[tuple[str, str], Carried],
    ) -> Row:
        """A row of a batch. What a task wrote, and an input, name what the checkpoint behind them holds."""
        if type(row) is TaskWrites:
            return writes_row(self._encoder, thread, row, carried.get((row.ns, row.checkpoint)))
        if type(row) is ValueRow and row.channel == START and (row.ns, row.made) in carried:
            name_input(self._encoder, row, inputs[row.ns, row.made], carried[row.ns, row.made])
        return row  # type: ignore[return-value]

    def skip(self, thread: str, saves: Sequence[Save]) -> None:
        """These are not kept, but what comes next stands on them."""
        for each in saves:
            standing = self._standing.get((thread, each.ns))
            if standing is not None and type(each) is not Checkpoint:
                standing.note(each.writes)  # type: ignore[union-attr]

    def write(self, prepared: Sequence[Any]) -> None:
        """Write what `prepare` has given, all of it or nothing."""
        (self._rows if self._theirs is None else self._theirs).write(prepared)

    async def awrite(self, prepared: Sequence[Any]) -> None:
        """The twin of `write`."""
        await (self._rows if self._theirs is None else self._theirs).awrite(prepared)

    def save(self, thread: str, saves: Sequence[Save]) -> None:
        self.write(self.prepare(thread, saves))

    async def asave(self, thread: str, saves: Sequence[Save]) -> None:
        await self.awrite(self.prepare(thread, saves))


def _matching(page: Sequence[CheckpointRow], metadata: Mapping[str, Any] | None) -> Iterator[CheckpointRow]:
    for row in page:
        shown = metadata_shown(row) if metadata else {}
        if all(shown.get(key) == value for key, value in (metadata or {}).items()):
            yield row


def metadata_shown(row: CheckpointRow) -> dict[str, Any]:
    """The metadata of a checkpoint row, as readers see it."""
    if row.is_theirs:
        shown: dict[str, Any] = PLAIN.decode(row.metadata)
        return shown
    facts = decode_facts(row.facts)
    own = {"source": facts["source"], "step": facts["step"], "parents": facts.get("parents", {})}
    return {**PLAIN.decode(row.metadata), **own}
