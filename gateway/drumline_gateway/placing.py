"""Frames, and the ids by which a client says which of them it has. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drumline_gateway.cursors import BEGINNING, BadEventId, Cursor, event_id


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of a stream: `data` is any value, which is written as JSON. `id`: what `Last-Event-ID` may say.

    An event without a name is one of the kind that has none.
    """

    event: str
    data: Any
    id: str = ""


class Raw(str):
    """Data that are written as they are."""

    __slots__ = ()


class Placing:
    """Gives frames their ids, and leaves out those that a client at `cursor` has.

    `remembers`: what a frame is follows from all items before it, so the run is read from its beginning.
    """

    def __init__(self, cursor: Cursor = BEGINNING, *, remembers: bool = False) -> None:
        self._cursor = cursor
        #: behind which position the run must be read
        self.after = None if remembers else cursor.after
        #: the position behind which the next frames stand, and how many frames there were since
        self._at = self.after
        self._count = 0
        #: the client's place is not reached yet: what is made until then, it has
        self._seeking = remembers and cursor.after is not None

    @property
    def lost(self) -> BadEventId | None:
        """What is wrong if all items have come, and the client's place was not among them."""
        return BadEventId(str(self._cursor.after)) if self._seeking else None

    def place(self, events: Sequence[tuple[str, Any]], position: str | None = None) -> list[Frame]:
        """Frames of these names and data; with a position they are an item, and stand before it."""
        frames: list[Frame] = []
        for number, (event, data) in enumerate(events, 1):
            self._count += 1
            behind = position if number == len(events) else None
            id_ = event_id(self._at, self._count) if behind is None else behind
            has = self._at == self._cursor.after and self._count <= self._cursor.frames
            if not (self._seeking or has):
                frames.append(Frame(event, data, id_))
        if position is not None:
            self._at, self._count = position, 0
            if position == self._cursor.after:
                self._seeking = False
        return frames

    def first(self, event: str, data: Any) -> list[Frame]:
        """The first word, before all items; none for a client that goes on from somewhere."""
        return [] if self._at is not None else self.place([(event, data)])

    def last(self, event: str, data: Any) -> Frame:
        """The last word: who comes back with its id gets it again."""
        return Frame(event, data, event_id(self._at, self._count))
