"""A run for clients of AG-UI (CopilotKit and others): its log as the events of that protocol. Pure.

Use it where `Frames` is used: read the run in `MODES`, give each item to `item`. Events have no names, and carry ids as
any frame does. The state is sent whole once, then as what changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from drumline_gateway.chat import MODES, Chat, Part
from drumline_gateway.cursors import BEGINNING, Cursor
from drumline_gateway.json_patch import patch
from drumline_gateway.json_values import error_data, interrupt, plain
from drumline_gateway.placing import Frame, Placing
from drumline_gateway.service import Item

__all__ = ["MODES", "AguiFrames"]

Event = dict[str, Any]


class AguiFrames:
    """The events of one reader of one run. The run is read from its beginning: `cursor` says what its client has."""

    modes = MODES
    after: str | None = None

    def __init__(self, run_id: str, thread_id: str, *, cursor: Cursor = BEGINNING) -> None:
        self._ids = {"threadId": thread_id, "runId": run_id}
        self._placing = Placing(cursor, remembers=True)
        self._chat = Chat()
        self._state: Any = None
        self._has_state = False
        self._questions: list[Event] = []
        #: messages that have begun to speak, and by which id each of their texts is known
        self._spoke: set[str] = set()
        self._texts: dict[int, str] = {}

    def begin(self) -> list[Frame]:
        """`RUN_STARTED`."""
        return self._placed([{"type": "RUN_STARTED", **self._ids}])

    def item(self, item: Item) -> list[Frame]:
        """The events of one item."""
        return self._placed(self._events(self._chat.item(item)), item.position)

    def end(self) -> list[Frame]:
        """`RUN_FINISHED`: with success, or with the questions that wait for an answer."""
        if self._placing.lost is not None:
            return self.failed(self._placing.lost)
        asked = {"type": "interrupt", "interrupts": self._questions}
        outcome = asked if self._questions else {"type": "success"}
        return [*self._ended(), self._placing.last("", {"type": "RUN_FINISHED", **self._ids, "outcome": outcome})]

    def failed(self, error: BaseException) -> list[Frame]:
        """`RUN_ERROR`; a run that was cancelled has finished."""
        told = error_data(error)
        last: Event = {"type": "RUN_ERROR", "message": told["message"] or told["error"], "code": told["error"]}
        if told["error"] == "RunCancelled":
            last = {"type": "RUN_FINISHED", **self._ids, "outcome": {"type": "cancelled"}}
            return [*self._ended(), self._placing.last("", last)]
        return [self._placing.last("", last)]

    def _ended(self) -> list[Frame]:
        return self._placed(self._events(self._chat.end()))

    def _placed(self, events: Iterable[Event], position: str | None = None) -> list[Frame]:
        return self._placing.place([("", event) for event in events], position)

    def _events(self, parts: Iterable[Part]) -> Iterator[Event]:
        for part in parts:
            if part.kind == "values":
                yield from self._values(part.data)
            elif part.kind in ("custom", "retracted"):
                value = part.data.data
                named = isinstance(value, dict) and isinstance(value.get("name"), str)
                name = value["name"] if named and part.kind == "custom" else part.kind
                yield {"type": "CUSTOM", "name": name, "value": plain(value)}
            elif part.kind.startswith("text-"):
                yield self._text(part)
            else:
                yield from _TOLD[part.kind](part)

    def _text(self, part: Part) -> Event:
        """A message that thinks and speaks again has a text of another id: what has ended does not begin anew."""
        if part.kind == "text-start":
            self._texts[part.data] = f"{part.id}-{part.data}" if part.id in self._spoke else part.id
            self._spoke.add(part.id)
            return {"type": "TEXT_MESSAGE_START", "messageId": self._texts[part.data], "role": "assistant"}
        if part.kind == "text-delta":
            return {"type": "TEXT_MESSAGE_CONTENT", "messageId": self._texts[part.data], "delta": part.text}
        return {"type": "TEXT_MESSAGE_END", "messageId": self._texts.pop(part.data)}

    def _values(self, item: Item) -> Iterator[Event]:
        """The state of the run's own graph, and what it asks."""
        if item.ns:
            return
        state = plain(item.data)
        if not self._has_state:
            yield {"type": "STATE_SNAPSHOT", "snapshot": state}
        elif changes := patch(self._state, state):
            yield {"type": "STATE_DELTA", "delta": changes}
        self._state, self._has_state = state, True
        self._questions = [_question(asked) for asked in item.interrupts]


def _question(asked: Any) -> Event:
    shown = interrupt(asked)
    value = shown["value"]
    told: Event = {"id": shown["id"], "reason": "input_required", "metadata": {"value": value}}
    if isinstance(value, str):
        told["message"] = value
    if isinstance(shown.get("response_schema"), dict):
        told["responseSchema"] = shown["response_schema"]
    return told


def _thought(part: Part) -> str:
    """Thoughts have ids of their own: one message may think more than once."""
    return f"{part.id}-reasoning-{part.data}"


_TOLD: dict[str, Any] = {
    "reasoning-start": lambda part: [
        {"type": "REASONING_START", "messageId": _thought(part)},
        {"type": "REASONING_MESSAGE_START", "messageId": _thought(part), "role": "reasoning"},
    ],
    "reasoning-delta": lambda part: [
        {"type": "REASONING_MESSAGE_CONTENT", "messageId": _thought(part), "delta": part.text}
    ],
    "reasoning-end": lambda part: [
        {"type": "REASONING_MESSAGE_END", "messageId": _thought(part)},
        {"type": "REASONING_END", "messageId": _thought(part)},
    ],
    "call-start": lambda part: [
        {
            "type": "TOOL_CALL_START",
            "toolCallId": part.id,
            "toolCallName": part.name,
            **({"parentMessageId": part.data} if part.data else {}),
        }
    ],
    "call-delta": lambda part: [{"type": "TOOL_CALL_ARGS", "toolCallId": part.id, "delta": part.text}],
    "call-end": lambda part: [{"type": "TOOL_CALL_END", "toolCallId": part.id}],
    "result": lambda part: [
        {
            "type": "TOOL_CALL_RESULT",
            "messageId": str(part.data.get("id") or f"{part.id}-result"),
            "toolCallId": part.id,
            "content": part.text,
            "role": "tool",
        }
    ],
    "step-start": lambda part: [{"type": "STEP_STARTED", "stepName": part.name}],
    "step-end": lambda part: [{"type": "STEP_FINISHED", "stepName": part.name}],
}
