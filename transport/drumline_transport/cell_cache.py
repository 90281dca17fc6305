"""What a process has seen of large values, by name, within a budget of bytes (`seen_cells`). No IO."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from drumline_protocol.cells import CellAt
from drumline_protocol.seen_cells import Seen


class Cache:
    """What was seen, by name; what was used last stays longest. Safe for threads; its lock is never held for long."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.bytes = 0
        self._lock = threading.Lock()
        self._seen: OrderedDict[Hashable, Seen] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def get(self, name: Hashable, at: CellAt | None = None) -> Seen | None:
        """What was seen under a name; of a version `at`: only if the rows behind it may be enough for that."""
        with self._lock:
            found = self._seen.get(name)
            if found is None:
                return None
            self._seen.move_to_end(name)
            if at is None:
                return found
            if found.version > at.version:
                found = found.former
            return found if found is not None and found.serves(at) else None

    def forget(self, of: Callable[[Hashable], bool]) -> None:
        """Drop what is kept under such names."""
        with self._lock:
            for name in [name for name in self._seen if of(name)]:
                self.bytes -= self._seen.pop(name).weight

    def put(self, name: Hashable, seen: Seen) -> None:
        """Keep what was seen, unless a newer version is kept, or it takes more than all there is room for."""
        with self._lock:
            old = self._seen.get(name)
            if old is not None:
                if old.version > seen.version or old is seen:
                    return
                del self._seen[name]
                self.bytes -= old.weight
            if seen.weight > self.bytes_max:
                return
            self._seen[name] = seen
            self.bytes += seen.weight
            while self.bytes > self.bytes_max:
                _, old = self._seen.popitem(last=False)
                self.bytes -= old.weight
