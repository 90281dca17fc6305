"""The places of runs that a node starts on a cluster: where each goes on when the node runs again.

A run that a node waits for is on no thread. If it asks, its node asks, as with a graph that is called in the node's own
process; what it has left travels with the node's task, and the run at the same place begins there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drumline_graph.errors import GraphInterrupt
from drumline_protocol.checkpoint_ids import NEXT, next_checkpoint_id
from drumline_protocol.checkpoints import LOOP, Checkpoint, joined_ns
from drumline_protocol.codec import Codec
from drumline_protocol.errors import EncodeError
from drumline_protocol.facts import RunFinished
from drumline_protocol.graph_paths import RUN_AT
from drumline_protocol.messages import RunRequest, TaskThread
from drumline_protocol.request_digest import digest_of
from drumline_protocol.running import current
from drumline_protocol.wire import decode_interrupts

if TYPE_CHECKING:
    from drumline_worker.context import TaskContext
    from drumline_worker.job import JobThread

#: the cells of the row that travels with the task: the rows of the run, what it was asked, and whether other runs of
#: the node were open beside it
_ROWS, _ASKED, _BESIDE = "__run__", "__asked__", "__beside__"

#: guards the making of `Places`: several threads of a node may start its first runs at once
_making = threading.Lock()


@dataclass(slots=True)
class _Left:
    """What a run at a place has left when the node ran before."""

    checkpoint: str
    cells: Mapping[str, Any]

    @property
    def asked(self) -> str:
        """The digest of its request; "" from an older drumline."""
        return str(self.cells.get(_ASKED, ""))

    def may_be(self, asked: str) -> bool:
        """Whether a request of another input may be the same call again: of that graph, and no other run was open."""
        return not self.asked or (_graph(self.asked) == _graph(asked) and not self.cells.get(_BESIDE))


class Places:
    """The places of the runs that one task's code starts. Safe for threads."""

    def __init__(self, thread: JobThread | None, base: tuple[str, ...]) -> None:
        self._thread = thread
        self._base = base
        self._lock = threading.Lock()
        self._count = 0
        self._left = {} if thread is None else self._read(thread)
        self._taken: set[int] = set()
        self._open: list[Place] = []
        #: places of runs that `start` began, until somebody reads them here
        self.started: dict[str, Place] = {}

    def take(self, request: RunRequest, codec: Codec) -> Place:
        """The place of the run that the task's code begins just now.

        It is that of the same call when the task ran before: one that asked the same, else the one with the same number
        among the calls, if it was of that graph and alone. So calls at once cannot take each other's places, and a call
        whose input has changed, since it has a new id or the time in it, goes on all the same.
        """
        asked = "" if self._thread is None else _asked(request, codec)
        with self._lock:
            number, self._count = self._count, self._count + 1
            free = {at: left for at, left in sorted(self._left.items()) if at not in self._taken}
            at = next((at for at, left in free.items() if asked and left.asked == asked), -1)
            if at < 0 and number in free and free[number].may_be(asked):
                at = number
            if at < 0:  # no run was here before
                known = self._left.keys() | self._taken
                at = number if number not in known else max(known) + 1
            self._taken.add(at)
            place = Place(self, self._thread, self._ns(at), asked, self._left.get(at))
            self._open.append(place)
            if len(self._open) > 1:
                for each in self._open:
                    each.beside = True
            return place

    def leave(self, place: Place) -> None:
        """Nobody waits for the run there any more."""
        with self._lock:
            if place in self._open:
                self._open.remove(place)

    def _ns(self, at: int) -> str:
        return joined_ns((*self._base, f"{RUN_AT}{at}"))

    def _read(self, thread: JobThread) -> dict[int, _Left]:
        begin, found = self._ns(0)[:-1], {}
        for ns in thread.store.namespaces():
            number = ns.removeprefix(begin)
            saved = thread.store.get(thread.id, ns) if ns != number and number.isdecimal() else None
            if saved is not None:
                found[int(number)] = _Left(saved.checkpoint.id, saved.checkpoint.cells)
        return found


@dataclass(slots=True, eq=False)
class Place:
    """The place of one run: what an earlier one has left there, and what this one does."""

    _places: Places
    _thread: JobThread | None
    _ns: str
    _asked: str
    _left: _Left | None
    #: whether another run of the node was open while this one was
    beside: bool = field(default=False)

    def below(self) -> TaskThread | None:
        """What the run is told: the rows of the one before, and answers to questions. None: nothing would keep them."""
        thread = self._thread
        if thread is None:
            return None
        rows: list[bytes] = [] if self._left is None else list(self._left.cells[_ROWS])
        answers = {id_: answer for id_, answer in thread.answers.items() if id_ != NEXT}
        return TaskThread("", {}, thread.resumes, answers, rows, single=thread.single)

    def keep(self, run_id: str, end: RunFinished) -> None:
        """The run has ended. GraphInterrupt if it asks: so does the task, and what the run has left travels with it."""
        self._places.leave(self)
        if end.rows and self._thread is not None:
            last, now_ms = "" if self._left is None else self._left.checkpoint, time.time() * 1000
            cells = {_ROWS: list(end.rows), _ASKED: self._asked, _BESIDE: self.beside}
            id_ = next_checkpoint_id(max([last, *self._thread.parents.values()]), now_ms, run_id)
            row = Checkpoint(id_, self._ns, last, LOOP, 0, now_ms, cells, {}, {})
            self._thread.store.save(self._thread.id, [row])
        if end.status == "paused" and end.error is None:
            raise GraphInterrupt(tuple(decode_interrupts(end.interrupts)))

    def leave(self) -> None:
        """Nobody waits for the run any more: it is left, or has ended."""
        self._places.leave(self)


def place_for(caller: TaskContext, request: RunRequest, codec: Codec) -> Place:
    """The place of the run that a task's code begins just now. The run is on no thread."""
    with _making:
        places = caller.places
        if places is None:
            job, thread = caller.job, caller.job.thread
            kept = thread if thread is not None and thread.rows is not None and request.within else None
            places = caller.places = Places(kept, (*job.ns, f"{job.node.name}:{job.task}"))
    place: Place = places.take(request, codec)
    return place


def started_here(run_id: str) -> tuple[TaskContext, Place] | None:
    """The task whose code started a run that is to be read now, in that code, and the run's place.

    It may be a task of a graph around the one whose code this is. None: the run was not started here, or is read here.
    """
    task = current.get()
    while task is not None:
        places = task.places
        if places is not None and (place := places.started.pop(run_id, None)) is not None:
            return task, place
        task = None if task.job.fate is None else task.job.fate.above
    return None


def _asked(request: RunRequest, codec: Codec) -> str:
    """What tells a request from others of its node; "" if it cannot be encoded: that is told when its run begins."""
    try:
        return f"{request.graph} {digest_of(request, codec.encode(request.input), codec)}"
    except EncodeError:
        return ""


def _graph(asked: str) -> str:
    return asked.rpartition(" ")[0]
