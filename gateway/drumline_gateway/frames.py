"""Items of a run as the frames that LangGraph's clients read (stream v1). Pure: a log gives the same frames each time.

A client asks for modes by LangGraph's names, and a reader of the run must be opened with `Frames.modes` behind
`Frames.after`. What comes of it goes through `item`, one by one, between `begin` and `end` or `failed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drumline.views.shapes import MODES
from drumline_gateway.cursors import BEGINNING, BadEventId, Cursor, event_id
from drumline_gateway.json_values import error_data, interrupt, plain
from drumline_gateway.old_messages import OldMessages
from drumline_gateway.service import Item

#: the mode that is asked for as `messages-tuple` comes under the name `messages`
TUPLES, MESSAGES = "messages-tuple", "messages"
#: a mode of LangGraph's server that nothing here fills: it is accepted, and no event comes
EVENTS = "events"
#: part of a run's items that tells of an attempt which was taken back
RETRACTED = "retracted"

#: names of tools' events in process, and what a client of the old stream knows them by
_TOOL_EVENTS = {
    "tool-started": "on_tool_start",
    "tool-output-delta": "on_tool_event",
    "tool-finished": "on_tool_end",
    "tool-error": "on_tool_error",
}
_TOOL_FIELDS = {
    "tool_call_id": "toolCallId",
    "tool_name": "name",
    "input": "input",
    "delta": "data",
    "output": "output",
    "message": "error",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of a stream: `data` is any value, which is written as JSON. `id`: what `Last-Event-ID` may say."""

    event: str
    data: Any
    id: str = ""


def asked_modes(asked: str | Sequence[str] | None) -> tuple[str, ...]:
    """The modes of a request, each once; `values` if it names none. ValueError for one that does not exist."""
    named = ("values",) if not asked else (asked,) if isinstance(asked, str) else tuple(asked)
    for mode in named:
        if mode not in MODES and mode not in (TUPLES, EVENTS):
            known = ", ".join((*MODES, TUPLES, EVENTS))
            raise ValueError(f"stream_mode: unknown mode {mode!r}; the modes are {known}")
    return tuple(dict.fromkeys(named))


def drumline_modes(asked: str | Sequence[str] | None) -> tuple[str, ...]:
    """The modes in which a run must be read for a client that asked for these. ValueError."""
    modes = (MESSAGES if mode == TUPLES else mode for mode in asked_modes(asked) if mode != EVENTS)
    return tuple(dict.fromkeys(modes))


class Frames:
    """The frames of one reader of one run, in order.

    `asked` are modes by LangGraph's names, `cursor` is where the client is, `retracted` asks for an event of that name
    when an attempt was taken back. ValueError for an unknown mode.
    """

    def __init__(
        self,
        run_id: str,
        asked: str | Sequence[str] | None = None,
        *,
        cursor: Cursor = BEGINNING,
        attempt: int = 1,
        retracted: bool = False,
    ) -> None:
        self._run_id = run_id
        self._attempt = attempt
        self._asked = frozenset(asked_modes(asked))
        self._retracted = retracted
        self._cursor = cursor
        self.modes = drumline_modes(asked)
        self._old = OldMessages() if MESSAGES in self._asked else None
        #: the position behind which the next frames stand, and how many frames there were since
        self._after: str | None = None
        self._count = 0
        #: the client's place is not reached yet: what is made until then, it has
        self._seeking = bool(cursor.after) and self._old is not None
        if not self._seeking:
            self._after = cursor.after

    @property
    def after(self) -> str | None:
        """Behind which position the run must be read. None: from its beginning.

        The old mode `messages` tells of messages as they have grown so far, so it must know what was before.
        """
        return None if self._old is not None else self._cursor.after

    def begin(self) -> list[Frame]:
        """What comes before all items; nothing for a client that goes on from somewhere."""
        if self._after is not None:
            return []
        return self._placed([("metadata", {"run_id": self._run_id, "attempt": self._attempt})])

    def item(self, item: Item) -> list[Frame]:
        """The frames of one item."""
        events = self._events(item)
        return self._placed(events, item.position) if events else self._passed(item.position)

    def end(self) -> list[Frame]:
        """What comes behind all items. A client that has them all gets the last frame again."""
        if self._seeking:  # the run has no such position, so who is there has read something else
            return self.failed(BadEventId(str(self._cursor.after)))
        frames = self._placed(self._old.end() if self._old is not None else [])
        return [*frames, Frame("end", None, event_id(self._after, self._count))]

    def failed(self, error: BaseException) -> list[Frame]:
        """What comes in place of `end`."""
        return [Frame("error", error_data(error), event_id(self._after, self._count))]

    # -- which frames a client has ------------------------------------------------------------------

    def _placed(self, events: Sequence[tuple[str, Any]], position: str | None = None) -> list[Frame]:
        """Frames with their ids, without those that the client has."""
        frames: list[Frame] = []
        for number, (event, data) in enumerate(events, 1):
            self._count += 1
            behind = position if number == len(events) else None
            id_ = event_id(self._after, self._count) if behind is None else behind
            has = self._after == self._cursor.after and self._count <= self._cursor.frames
            if not (self._seeking or has):
                frames.append(Frame(event, data, id_))
        if position is not None:
            self._passed(position)
        return frames

    def _passed(self, position: str) -> list[Frame]:
        self._after, self._count = position, 0
        if position == self._cursor.after:
            self._seeking = False
        return []

    # -- what an item is ----------------------------------------------------------------------------

    def _events(self, item: Item) -> list[tuple[str, Any]]:
        """Names and data of an item's frames."""
        mode, data = item.mode, item.data
        if mode == MESSAGES:
            events = [(_named(MESSAGES, item.ns), list(data))] if TUPLES in self._asked else []
            if self._old is not None:
                events += [(_named(name, item.ns), old) for name, old in self._old.add(*data)]
            return events
        if mode == RETRACTED:
            again = {"run_id": self._run_id, "attempt": data["attempt"] + 1}
            told = [(_named(RETRACTED, item.ns), data)] if self._retracted else []
            return [("metadata", again), *told]
        shape = _SHAPES.get(mode)
        if mode == "values":
            data = _values(data, item.interrupts)
        elif shape is not None:
            data = shape(data)
        return [(_named(mode, item.ns), data)]


def _named(event: str, ns: Sequence[str]) -> str:
    return "|".join((event, *ns))


def _values(values: Any, interrupts: Sequence[Any]) -> Any:
    if not interrupts:
        return values
    shown = plain(values)
    asked = [interrupt(one) for one in interrupts]
    return {**(shown if isinstance(shown, dict) else {}), "__interrupt__": asked}


def _task(payload: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(payload)
    if shown.get("interrupts"):
        shown["interrupts"] = [interrupt(one) for one in shown["interrupts"]]
    return shown


def _checkpoint(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint whose configs hold what a client may see of them, and may send back."""
    shown = dict(payload)
    for key in ("config", "parent_config"):
        if isinstance(shown.get(key), Mapping):
            shown[key] = shown_config(shown[key])
    tasks = [_task(task) for task in shown.get("tasks") or ()]
    for task in tasks:
        if isinstance(task.get("state"), Mapping) and "configurable" in task["state"]:
            task["state"] = shown_config(task["state"])
    shown["tasks"] = tasks
    return shown


def shown_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config for clients: without callbacks, and without keys of `configurable` that begin with `__`."""
    shown = {key: value for key, value in config.items() if key != "callbacks" and not str(key).startswith("__")}
    if isinstance(shown.get("configurable"), Mapping):
        inner = shown["configurable"].items()
        shown["configurable"] = {key: value for key, value in inner if not str(key).startswith("__")}
    return shown


def _debug(payload: Mapping[str, Any]) -> dict[str, Any]:
    shape = _checkpoint if payload.get("type") == "checkpoint" else _task
    return {**payload, "payload": shape(payload["payload"])}


def _tool(payload: Mapping[str, Any]) -> dict[str, Any]:
    told = {_TOOL_FIELDS.get(key, key): value for key, value in payload.items() if key != "event"}
    return {"event": _TOOL_EVENTS.get(payload["event"], payload["event"]), **told}


_SHAPES: dict[str, Callable[[Any], Any]] = {
    "tasks": _task,
    "checkpoints": _checkpoint,
    "debug": _debug,
    "tools": _tool,
}
