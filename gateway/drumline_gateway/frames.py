"""Items of a run as the frames that LangGraph's clients read (stream v1). Pure: a log gives the same frames each time.

A client asks for modes by LangGraph's names, and a reader of the run must be opened with `Frames.modes` behind
`Frames.after`. What comes of it goes through `item`, one by one, between `begin` and `end` or `failed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drumline.views.shapes import MODES
from drumline_gateway.cursors import BEGINNING, Cursor
from drumline_gateway.json_values import error_data, interrupt, plain
from drumline_gateway.old_messages import OldMessages
from drumline_gateway.owners import OURS, visible
from drumline_gateway.placing import Frame, Placing
from drumline_gateway.service import Item
from drumline_graph.errors import NoParentGraph
from drumline_graph.types import Command, Send

__all__ = ["Frame", "Frames", "asked_modes", "drumline_modes", "shown_config"]

#: the mode that is asked for as `messages-tuple` comes under the name `messages`
TUPLES, MESSAGES = "messages-tuple", "messages"
#: a mode of LangGraph's server that nothing here fills: it is accepted, and no event comes
EVENTS = "events"
#: event of a run that ends with a command for a graph around it: `RemoteGraph` hands it to its caller's
COMMAND = "command"
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
        self.modes = drumline_modes(asked)
        self._old = OldMessages() if MESSAGES in self._asked else None
        # The old mode tells of messages as they have grown so far, so it must know what was before.
        self._placing = Placing(cursor, remembers=self._old is not None)

    @property
    def after(self) -> str | None:
        """Behind which position the run must be read. None: from its beginning."""
        return self._placing.after

    def begin(self) -> list[Frame]:
        """What comes before all items; nothing for a client that goes on from somewhere."""
        return self._placing.first("metadata", {"run_id": self._run_id, "attempt": self._attempt})

    def item(self, item: Item) -> list[Frame]:
        """The frames of one item."""
        return self._placing.place(self.events(item), item.position)

    def end(self) -> list[Frame]:
        """What comes behind all items. A client that has them all gets the last frame again."""
        if self._placing.lost is not None:
            return self.failed(self._placing.lost)
        frames = self._placing.place(self._old.end() if self._old is not None else [])
        return [*frames, self._placing.last("end", None)]

    def failed(self, error: BaseException) -> list[Frame]:
        """What comes in place of `end`. A command for a graph around the run is told first."""
        told = [(COMMAND, _command(error))] if isinstance(error, NoParentGraph) else []
        return [*self._placing.place(told), self._placing.last("error", error_data(error))]

    # -- what an item is ----------------------------------------------------------------------------

    def events(self, item: Item) -> list[tuple[str, Any]]:
        """Names and data of an item's frames, without their places."""
        mode, data = item.mode, item.data
        if mode == MESSAGES:
            message, metadata = data
            if not OURS.isdisjoint(metadata):
                metadata = visible(metadata)
            events = [(_named(MESSAGES, item.ns), [message, metadata])] if TUPLES in self._asked else []
            if self._old is not None:
                events += [(_named(name, item.ns), old) for name, old in self._old.add(message, metadata)]
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


def _command(error: NoParentGraph) -> dict[str, Any]:
    """The command of a node whose graph is the root, by the fields of LangGraph's `Command`."""
    command = error.args[0]
    update = command.update
    if isinstance(update, (list, tuple)) and len(dict(update)) == len(
        update
    ):  # channels and values, which JSON has not
        update = dict(update)
    goto = [command.goto] if isinstance(command.goto, (str, Send)) else list(command.goto)
    return {"graph": Command.PARENT, "update": update, "resume": command.resume, "goto": goto}


def _named(event: str, ns: Sequence[str]) -> str:
    return "|".join((event, *ns))


def _values(values: Any, interrupts: Sequence[Any]) -> Any:
    if not interrupts:
        return values
    shown = plain(values)
    asked = [interrupt(one) for one in interrupts]
    return {**(shown if isinstance(shown, dict) else {}), "__interrupt__": asked}


def _seen(told: Mapping[str, Any]) -> dict[str, Any]:
    """A payload or a config, whose metadata are those that clients see."""
    shown = dict(told)
    if isinstance(shown.get("metadata"), Mapping):
        shown["metadata"] = visible(shown["metadata"])
    return shown


def task_data(payload: Mapping[str, Any]) -> dict[str, Any]:
    """An event of a task as clients know it."""
    shown = _seen(payload)
    if shown.get("interrupts"):
        shown["interrupts"] = [interrupt(one) for one in shown["interrupts"]]
    return shown


def _checkpoint(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint whose configs hold what a client may see of them, and may send back."""
    shown = _seen(payload)
    for key in ("config", "parent_config"):
        if isinstance(shown.get(key), Mapping):
            shown[key] = shown_config(shown[key])
    tasks = [task_data(task) for task in shown.get("tasks") or ()]
    for task in tasks:
        if isinstance(task.get("state"), Mapping) and "configurable" in task["state"]:
            task["state"] = shown_config(task["state"])
    shown["tasks"] = tasks
    return shown


def shown_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config for clients: without callbacks, keys of `configurable` that begin with `__`, and our own metadata."""
    shown = {key: value for key, value in _seen(config).items() if key != "callbacks" and not str(key).startswith("__")}
    if isinstance(shown.get("configurable"), Mapping):
        inner = shown["configurable"].items()
        shown["configurable"] = {key: value for key, value in inner if not str(key).startswith("__")}
    return shown


def _debug(payload: Mapping[str, Any]) -> dict[str, Any]:
    shape = _checkpoint if payload.get("type") == "checkpoint" else task_data
    return {**payload, "payload": shape(payload["payload"])}


def _tool(payload: Mapping[str, Any]) -> dict[str, Any]:
    told = {_TOOL_FIELDS.get(key, key): value for key, value in payload.items() if key != "event"}
    return {"event": _TOOL_EVENTS.get(payload["event"], payload["event"]), **told}


_SHAPES: dict[str, Callable[[Any], Any]] = {
    "tasks": task_data,
    "checkpoints": _checkpoint,
    "debug": _debug,
    "tools": _tool,
}
