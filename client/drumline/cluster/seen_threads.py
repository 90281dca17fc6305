"""What this process has read of a cluster's threads, so that the next run on one reads what was added since. No IO.

A run's log names the state that the run begins with. The numbers of versions are those of one thread from its beginning
to its deletion, and a thread of the same name may be begun anew. So what was seen counts only if the run begins where
this process has seen the thread stand, or another run begin: ids of checkpoints are given out once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

from drumline_protocol.codec import Codec
from drumline_protocol.limits import CACHE_BYTES_MAX
from drumline_protocol.reading_cells import CellReader, ReadValues
from drumline_transport.cell_cache import Cache

#: threads of which it is known where they stand
_THREADS_MAX = 4096
#: runs of a thread that may be read again, and count as seen
_RUNS_MAX = 8


class _Life:
    """A thread between its beginning and its deletion, and checkpoints by which it is known again."""

    __slots__ = ("begun_at", "newest")

    def __init__(self) -> None:
        self.newest = ""
        #: where the last runs began that were read: somebody else may read them too
        self.begun_at: deque[str] = deque(maxlen=_RUNS_MAX)

    def has(self, checkpoint: str) -> bool:
        """Whether the thread was seen at this checkpoint."""
        return checkpoint == self.newest or checkpoint in self.begun_at


class Sight:
    """One thread, as one reader of a run's log sees it."""

    def __init__(self, threads: SeenThreads, thread: str, life: _Life) -> None:
        self._threads = threads
        self._thread = thread
        self._life = life

    def cells(self, codec: Codec, read: ReadValues) -> CellReader:
        """Reads cells of the thread."""
        return CellReader(codec, read, self._threads.cache, (self._life,))

    def stands(self, checkpoint: str) -> None:
        """The thread stands at this checkpoint now."""
        self._threads.note(self._thread, self._life, checkpoint)


class SeenThreads:
    """Where threads stood last, and what was seen of their cells. Safe for threads."""

    def __init__(self, bytes_max: int = CACHE_BYTES_MAX) -> None:
        self.cache = Cache(bytes_max)
        self._lock = threading.Lock()
        self._lives: OrderedDict[str, _Life] = OrderedDict()

    def sight(self, thread: str, checkpoint: str) -> Sight:
        """A run begins, or is read once more, which found its thread at this checkpoint."""
        with self._lock:
            life = self._lives.get(thread)
            if life is None or not life.has(checkpoint):
                life = _Life()
                life.newest = checkpoint
            if checkpoint not in life.begun_at:
                life.begun_at.append(checkpoint)
            self._keep(thread, life)
        return Sight(self, thread, life)

    def note(self, thread: str, life: _Life, checkpoint: str) -> None:
        """The thread, in that life, stands at this checkpoint, or at a later one."""
        with self._lock:
            life.newest = max(life.newest, checkpoint)
            self._keep(thread, life)

    def _keep(self, thread: str, life: _Life) -> None:
        self._lives[thread] = life
        self._lives.move_to_end(thread)
        if len(self._lives) > _THREADS_MAX:
            self._lives.popitem(last=False)
