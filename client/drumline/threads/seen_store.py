"""What was seen last of threads, by this process (`drumline.threads.seen`). No IO."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping

from drumline.threads.seen import Look, Place, SeenCell
from drumline_protocol.codec import Codec
from drumline_protocol.limits import CACHE_BYTES_MAX

#: what the place of a value costs beside it
_PLACE_BYTES = 500


class Seen:
    """What was seen last of threads, within a budget of bytes. Safe for threads."""

    def __init__(self, bytes_max: int = CACHE_BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self.bytes = 0
        self._lock = threading.Lock()
        self._cells: OrderedDict[Place, Mapping[str, SeenCell]] = OrderedDict()

    def look(self, codec: Codec, thread: str, ns: str) -> Look:
        """Begin to look at a namespace of a thread."""
        place = codec, thread, ns
        with self._lock:
            before = self._cells.get(place, {})
            if before:
                self._cells.move_to_end(place)
        return Look(place, before, weight_max=self.bytes_max // 2)

    def keep(self, look: Look) -> None:
        """Keep what was seen, unless a newer version is kept."""
        if not look.now:
            return
        with self._lock:
            there = self._cells.pop(look.place, {})
            kept = {
                channel: cell
                for channel, cell in look.now.items()
                if channel not in there or there[channel].made <= cell.made
            }
            cells = {**{channel: there[channel] for channel in look.now.keys() & there.keys()}, **kept}
            self.bytes += _weight(cells) - _weight(there)
            self._cells[look.place] = cells
            while self.bytes > self.bytes_max:
                _, old = self._cells.popitem(last=False)
                self.bytes -= _weight(old)

    def forget(self, thread: str) -> None:
        """Nothing of a thread is to stay."""
        with self._lock:
            for place in [place for place in self._cells if place[1] == thread]:
                self.bytes -= _weight(self._cells.pop(place))


def _weight(cells: Mapping[str, SeenCell]) -> int:
    return sum(_PLACE_BYTES + cell.weight for cell in cells.values())
