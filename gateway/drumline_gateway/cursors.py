"""`Last-Event-ID`: where a client's stream is, as the text of a frame's id. Pure.

A position of drumline stands behind an item of a run, and an item may be several frames. So a frame that is not the
last of its item has the position before the item, and how many frames the client has since: `12.3.ab12cd34-5.+1`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: what stands for the beginning of a run where there is no position yet
BEGINNING_TEXT = "0"
#: what clients send to read from the beginning: JavaScript's SDK joins with -1
_BEGINNINGS = frozenset(("", "-1", BEGINNING_TEXT))
#: longer than any id that was given out
_LENGTH_MAX = 200
#: frames that one item may be: more than any is
_FRAMES_DIGITS_MAX = 6
_ID = re.compile(r"(?P<after>[0-9A-Za-z._:-]+)(?:\+(?P<frames>[0-9]+))?")


class BadEventId(ValueError):
    """A `Last-Event-ID` that no stream gave out. Silence or a replay in its place would be taken for the run's."""

    def __init__(self, text: str) -> None:
        shown = text if len(text) <= _LENGTH_MAX else f"{text[:_LENGTH_MAX]}..."
        super().__init__(
            f"Last-Event-ID {shown!r} is no id that a stream gave out: send the id of the last event that you have, "
            "or -1 to read from the beginning"
        )


class Cursor(NamedTuple):
    """A client has `frames` frames behind the position `after` (None: the beginning), and all before it."""

    after: str | None = None
    frames: int = 0


#: the client has nothing
BEGINNING = Cursor()


def parse_last_event_id(text: str | None) -> Cursor:
    """Where a client is, by the header that it sent. None, "", "0" and "-1" are the beginning. BadEventId.

    Whether the position is one of the run is for the reader of its log to say (InvalidPosition).
    """
    if text is None or text in _BEGINNINGS:
        return BEGINNING
    found = _ID.fullmatch(text) if len(text) <= _LENGTH_MAX else None
    frames = (found["frames"] or "0") if found else ""
    if found is None or len(frames) > _FRAMES_DIGITS_MAX or not text.isascii():
        raise BadEventId(text)
    after = found["after"]
    if after == BEGINNING_TEXT:
        return Cursor(None, int(frames))
    if "." not in after and not after.isdecimal():
        raise BadEventId(text)
    return Cursor(after, int(frames))


def event_id(after: str | None, frames: int) -> str:
    """The id of a frame: what `parse_last_event_id` reads."""
    place = BEGINNING_TEXT if after is None else after
    return f"{place}+{frames}" if frames else place
