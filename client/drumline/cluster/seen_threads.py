"""What this process has read of a cluster's threads, so that the next run on one reads what was added since. No IO.

A run's log names the state that the run begins with. The numbers of versions are those of one thread from its beginning
to its deletion, and a thread of the same name may be begun anew. So what was seen counts only if the run begins where
this process has seen the thread stand: ids of checkpoints are given out once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from drumline_protocol.codec import Codec
from drumline_protocol.limits import CACHE_BYTES_MAX
from drumline_protocol.reading_cells import CellReader, ReadValues
from drumline_transport.cell_cache import Cache

#: threads of which it is known where they stand
_THREADS_MAX = 4096


class Sight:
    """One thread, as one reader of a run's log sees it."""

    def __init__(self, threads: SeenThreads, thread: str, life: object) -> None:
        self._threads = threads
        self._thread = thread
        self._life = life

    def cells(self, codec: Codec, read: ReadValues) -> CellReader:
        """Reads cells of the thread."""
        return CellReader(codec, read, self._threads.cache, (self._life,))

    def stands(self, checkpoint: str) -> None:
        """The thread stands at this checkpoint now."""
        self._threads.note(self._thread, checkpoint, self._life)


class SeenThreads:
    """Where threads stood last, and what was seen of their cells. Safe for threads."""

    def __init__(self, bytes_max: int = CACHE_BYTES_MAX) -> None:
        self.cache = Cache(bytes_max)
        self._lock = threading.Lock()
        #: the newest checkpoint that was seen of each thread, and what stands for its life
        self._at: OrderedDict[str, tuple[str, object]] = OrderedDict()

    def sight(self, thread: str, checkpoint: str) -> Sight:
        """A run begins, and that is the newest checkpoint of its thread."""
        with self._lock:
            known, life = self._at.get(thread, ("", None))
        if known != checkpoint or life is None:
            life = object()
        self.note(thread, checkpoint, life)
        return Sight(self, thread, life)

    def note(self, thread: str, checkpoint: str, life: object) -> None:
        """The thread, in that life, stands at this checkpoint."""
        with self._lock:
            self._at[thread] = checkpoint, life
            self._at.move_to_end(thread)
            if len(self._at) > _THREADS_MAX:
                self._at.popitem(last=False)
