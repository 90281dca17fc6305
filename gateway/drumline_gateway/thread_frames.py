"""The runs of a thread as one stream of LangGraph's older kind: what `client.threads.join_stream` reads. Pure.

The id of a frame is that of the run's own stream, and the run: `12.3.ab12cd34.@run`. A run begins with `metadata` and
ends with `run_done`: `end` and `error` would end the whole stream to its clients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline_gateway.cursors import BEGINNING, BadEventId, Cursor, parse_last_event_id
from drumline_gateway.frames import Frames
from drumline_gateway.json_values import error_data
from drumline_gateway.placing import Frame, Placing
from drumline_gateway.service import Item
from drumline_gateway.shapes import RUN_STATUS

RUN_MODES, LIFECYCLE, STATE_UPDATE = "run_modes", "lifecycle", "state_update"
THREAD_MODES = (RUN_MODES, LIFECYCLE, STATE_UPDATE)

#: what stands between the place in a run and the run, and for the place behind all of it
_AT, _DONE = "@", "done"


def parse_thread_event_id(text: str) -> tuple[str, Cursor | None]:
    """The run that an id names, and the place in it (None: behind all of it). "": from the beginning. BadEventId."""
    if text in ("", "-1", "0"):
        return "", BEGINNING
    place, at, run_id = text.partition(_AT)
    if not at or not run_id or len(text) > 500 or not run_id.isprintable():
        raise BadEventId(text)
    return run_id, None if place == _DONE else parse_last_event_id(place)


class ThreadFrames:
    """The frames of one run in a thread's stream. `asked` are modes of the thread, `modes` those of the run's events.

    Who comes back must ask for the same. A run must be read in `modes` behind `after`.
    """

    def __init__(self, run_id: str, asked: Sequence[str], modes: Sequence[str], cursor: Cursor = BEGINNING) -> None:
        self._run_id = run_id
        self._asked = frozenset(asked)
        self._frames = Frames(run_id, list(modes))
        self._placing = Placing(cursor)
        self.modes = self._frames.modes if RUN_MODES in self._asked else ("values",)
        if STATE_UPDATE in self._asked:
            self.modes = tuple(dict.fromkeys((*self.modes, "values")))
        self._shown = frozenset(self._frames.modes)

    @property
    def after(self) -> str | None:
        """Behind which position the run must be read. None: from its beginning."""
        return self._placing.after

    def begin(self) -> list[Frame]:
        """What comes before all items; nothing for a client that goes on from somewhere."""
        return self._of_run(self._placing.first("metadata", {"run_id": self._run_id, "attempt": 1}))

    def item(self, item: Item) -> list[Frame]:
        """The frames of one item."""
        events: list[tuple[str, Any]] = []
        if RUN_MODES in self._asked and (item.mode in self._shown or item.mode == "retracted"):
            events += self._frames.events(item)
        if STATE_UPDATE in self._asked and item.mode == "values" and not item.ns and not item.interrupts:
            events.append((STATE_UPDATE, {"run_id": self._run_id, "values": item.data}))
        return self._of_run(self._placing.place(events, item.position))

    def end(self, status: str, error: BaseException | None = None) -> Frame:
        """What comes behind all items of a run that has ended so."""
        data: dict[str, Any] = {"run_id": self._run_id, "status": RUN_STATUS.get(status, status)}
        if error is not None:
            data["error"] = error_data(error)
        return Frame("run_done", data, f"{_DONE}{_AT}{self._run_id}")

    def _of_run(self, frames: Sequence[Frame]) -> list[Frame]:
        return [Frame(frame.event, frame.data, f"{frame.id}{_AT}{self._run_id}") for frame in frames]
