"""LangGraph's interface of a saver over rows of threads, and the way from a saver to the threads of a graph's run."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from drumline.checkpoint.base.saver import BaseCheckpointSaver, Config
from drumline.checkpoint.base.types import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from drumline.checkpoint.tuples import config_of, place_of, put_rows, put_writes_row, tuple_of
from drumline.threads.encoder import Encoder
from drumline.threads.keeping import KeptThreads, codec_of, metadata_shown
from drumline.threads.loading import program_at
from drumline.threads.pruning import is_waiting, places_to_drop
from drumline.threads.rows import CheckpointRow, Found, Row, Rows, Wanted
from drumline.threads.seen_store import Seen
from drumline.threads.store import Threads, followed
from drumline_graph.errors import FeatureNotBuilt
from drumline_graph.loaded import loaded
from drumline_graph.program import Program
from drumline_protocol.codec import Codec
from drumline_protocol.retention import Retention
from drumline_transport.after_fork import late_import

#: checkpoint rows that are read at once
_PAGE = 32
#: graphs that a saver remembers
_PROGRAMS_MAX = 64
#: as the size of a page: all of them
_ALL_ROWS = 1 << 40


class RowSaver(BaseCheckpointSaver[int]):
    """What drumline's savers share. Safe to share among graphs, threads and event loops.

    Values are written with drumline's codec. It knows the classes that the schemas of the graph name which runs, and
    those that `drumline.types.register` was given; EncodeError names any other by its path.
    """

    def __init__(self, rows: Rows, *, serde: Any = None) -> None:
        if serde is not None:
            raise FeatureNotBuilt(
                "Serializers of savers (serde=)",
                type(self).__name__,
                "drumline writes values with its own codec; drumline.types.register(cls) teaches it a class",
            )
        self.rows = rows
        #: what this process has read of threads
        self.seen = Seen()
        #: the graphs whose runs have used this saver last, by name and fingerprint: when it is asked by hand, it knows
        #: their classes and channels. A graph that its caller has dropped stays: what is told must not hang on that
        self._programs: OrderedDict[tuple[str, str], Program] = OrderedDict()
        self._remembering = threading.Lock()

    def threads_for(self, program: Program, base: str = "") -> Threads:
        """The threads as a run of a graph sees them. A subclass that has methods of its own is asked by these."""
        with self._remembering:
            self._programs[program.name, program.fingerprint] = program
            self._programs.move_to_end((program.name, program.fingerprint))
            if len(self._programs) > _PROGRAMS_MAX:
                self._programs.popitem(last=False)
        if any(getattr(type(self), name) is not getattr(RowSaver, name) for name in _METHODS):
            return followed(self, program, base)
        return KeptThreads(self, program, base)

    @property
    def serde(self) -> CodecSerializer:
        """The codec, as LangGraph's serializers are called."""
        return CodecSerializer()

    def _encoder(self, program: Program | None = None) -> Encoder:
        _know_langgraph()
        return Encoder(_general if program is None else codec_of(program), takes_objects=self.rows.takes_objects)

    def _tuple(self, found: Found) -> CheckpointTuple:
        """A checkpoint with the classes of its graph: the very one, or another version of it, if one is here."""
        fingerprint, _, name = found.row.graph.partition(" ")
        with self._remembering:
            programs = [program for program in reversed(self._programs.values()) if program.name == name]
        programs.sort(key=lambda program: not program.fingerprint.startswith(fingerprint))
        if not programs:
            return tuple_of(self._encoder(), found, None)
        return tuple_of(self._encoder(programs[0]), found, program_at(programs[0], "", found.row.ns))

    # -- reading ------------------------------------------------------------------------------------

    def get_tuple(self, config: Config) -> CheckpointTuple | None:
        found = self.rows.find(*place_of(config))
        return None if found is None else self._tuple(found)

    async def aget_tuple(self, config: Config) -> CheckpointTuple | None:
        found = await self.rows.afind(*place_of(config))
        return None if found is None else self._tuple(found)

    def list(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        wanted = _wanted(config, before)
        while limit is None or limit > 0:
            page = self.rows.page(wanted, _PAGE)
            for row in _matching(page, filter):
                if limit is not None and limit <= 0:
                    return
                limit = None if limit is None else limit - 1
                yield self._tuple(self.rows.fill(row))
            if len(page) < _PAGE:
                return
            wanted = Wanted(wanted.thread, wanted.ns, wanted.checkpoint, page[-1].id)

    async def alist(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        wanted = _wanted(config, before)
        while limit is None or limit > 0:
            page = await self.rows.apage(wanted, _PAGE)
            for row in _matching(page, filter):
                if limit is not None and limit <= 0:
                    return
                limit = None if limit is None else limit - 1
                yield self._tuple(await self.rows.afill(row))
            if len(page) < _PAGE:
                return
            wanted = Wanted(wanted.thread, wanted.ns, wanted.checkpoint, page[-1].id)

    # -- writing ------------------------------------------------------------------------------------

    def put(
        self, config: Config, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> Any:
        self.seen.forget(place_of(config)[0])
        parent = self.rows.page(_parent(config), 1)
        self.rows.write(self._put(config, checkpoint, metadata, new_versions, parent))
        return config_of(*place_of(config)[:2], checkpoint["id"])

    async def aput(
        self, config: Config, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> Any:
        self.seen.forget(place_of(config)[0])
        parent = await self.rows.apage(_parent(config), 1)
        await self.rows.awrite(self._put(config, checkpoint, metadata, new_versions, parent))
        return config_of(*place_of(config)[:2], checkpoint["id"])

    def _put(
        self, config: Config, checkpoint: Any, metadata: Any, new_versions: Any, parent: Sequence[CheckpointRow]
    ) -> Sequence[Row]:
        return put_rows(self._encoder(), config, checkpoint, metadata, new_versions, parent[0] if parent else None)

    def put_writes(self, config: Config, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        self.rows.write([put_writes_row(self._encoder(), config, writes, task_id, task_path)])

    async def aput_writes(
        self, config: Config, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await self.rows.awrite([put_writes_row(self._encoder(), config, writes, task_id, task_path)])

    # -- threads as a whole -------------------------------------------------------------------------

    def delete_thread(self, thread_id: str) -> None:
        self.seen.forget(str(thread_id))
        self.rows.delete(str(thread_id))

    async def adelete_thread(self, thread_id: str) -> None:
        self.seen.forget(str(thread_id))
        await self.rows.adelete(str(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        self.rows.drop(runs=[str(run) for run in run_ids])

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        await self.rows.adrop(runs=[str(run) for run in run_ids])

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self.rows.copy(str(source_thread_id), str(target_thread_id))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await self.rows.acopy(str(source_thread_id), str(target_thread_id))

    def prune(
        self,
        thread_ids: Sequence[str] | None = None,
        *,
        strategy: str = "keep_latest",
        retention: Retention | None = None,
    ) -> None:
        """Keep the newest checkpoint of each namespace of these threads, or nothing (`strategy="delete"`), or what
        `retention` keeps. None: all threads. What stays can be read, forked and gone on from.
        """
        for thread in self._all_threads() if thread_ids is None else map(str, thread_ids):
            self.seen.forget(thread)
            if _is_delete(strategy):
                self.rows.delete(thread)
            elif retention is None:
                self.rows.drop(but_newest_of=[thread])
            else:
                rows = self.rows.page(Wanted(thread), _ALL_ROWS)
                newest = next((row for row in rows if not row.ns), None)
                waits = newest is not None and not newest.is_theirs and is_waiting(self.rows.fill(newest))
                places = places_to_drop(rows, retention, time.time() * 1000, waits=waits)
                if places is None:
                    self.rows.delete(thread)
                elif places:
                    self.rows.drop(places=places)

    async def aprune(
        self,
        thread_ids: Sequence[str] | None = None,
        *,
        strategy: str = "keep_latest",
        retention: Retention | None = None,
    ) -> None:
        """The twin of `prune`."""
        threads = (
            [thread async for thread in self._aall_threads()] if thread_ids is None else list(map(str, thread_ids))
        )
        for thread in threads:
            self.seen.forget(thread)
            if _is_delete(strategy):
                await self.rows.adelete(thread)
            elif retention is None:
                await self.rows.adrop(but_newest_of=[thread])
            else:
                rows = await self.rows.apage(Wanted(thread), _ALL_ROWS)
                newest = next((row for row in rows if not row.ns), None)
                waits = newest is not None and not newest.is_theirs and is_waiting(await self.rows.afill(newest))
                places = places_to_drop(rows, retention, time.time() * 1000, waits=waits)
                if places is None:
                    await self.rows.adelete(thread)
                elif places:
                    await self.rows.adrop(places=places)

    def _all_threads(self) -> Iterator[str]:
        after = ""
        while page := self.rows.threads(after, _PAGE):
            yield from page
            after = page[-1]

    async def _aall_threads(self) -> AsyncIterator[str]:
        after = ""
        while page := await self.rows.athreads(after, _PAGE):
            for thread in page:
                yield thread
            after = page[-1]


#: what LangGraph's own runner calls of a saver
_METHODS = ("get_tuple", "list", "put", "put_writes", "get_next_version", "aget_tuple", "alist", "aput", "aput_writes")

#: for rows of graphs that are not there
_general = Codec()


class CodecSerializer:
    """Drumline's codec with the methods of LangGraph's serializers."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """EncodeError for what the codec does not take."""
        _know_langgraph()
        return "drumline", _general.encode(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """DecodeError for what it did not write."""
        _know_langgraph()
        return _general.decode(data[1])


def _know_langgraph() -> None:
    """Let the codec write LangGraph's control values, if LangGraph is there."""
    if loaded("langgraph.types") is not None:
        with late_import():
            from drumline.langgraph.crossing import register_control_values

        register_control_values()


def _is_delete(strategy: str) -> bool:
    if strategy not in ("keep_latest", "delete"):
        raise ValueError(f"unknown strategy {strategy!r} of prune: it is 'keep_latest' or 'delete'")
    return strategy == "delete"


def _wanted(config: Config | None, before: Config | None) -> Wanted:
    older = (before or {}).get("configurable", {}).get("checkpoint_id")
    if config is None:
        return Wanted(before=older)
    configurable = config["configurable"]
    return Wanted(
        str(configurable["thread_id"]), configurable.get("checkpoint_ns"), configurable.get("checkpoint_id"), older
    )


def _parent(config: Config) -> Wanted:
    thread, ns, checkpoint = place_of(config)
    return Wanted(thread, ns, checkpoint)


def _matching(page: Sequence[CheckpointRow], filter: Mapping[str, Any] | None) -> Iterator[CheckpointRow]:
    for row in page:
        shown: Mapping[str, Any] = {}
        if filter:
            shown = metadata_shown(row)
        if all(shown.get(key) == value for key, value in (filter or {}).items()):
            yield row
