"""A run for the AI SDK (`useChat`): its log as a UI message stream. Pure.

Use it where `Frames` is used, and answer with `HEADERS`: read the run in `MODES`, give each item to `item`. Each
message of a model is a step of the one message that the client builds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from drumline_gateway.chat import MODES, Chat, Part
from drumline_gateway.cursors import BEGINNING, Cursor
from drumline_gateway.json_values import error_data, interrupt, plain
from drumline_gateway.placing import Frame, Placing, Raw
from drumline_gateway.service import Item

__all__ = ["HEADERS", "MODES", "UiMessageFrames"]

#: what tells a client which stream this is
HEADERS = {"x-vercel-ai-ui-message-stream": "v1"}

DONE = Raw("[DONE]")

Event = dict[str, Any]


class UiMessageFrames:
    """The parts of one reader of one run. The run is read from its beginning: `cursor` says what its client has."""

    modes = MODES
    after: str | None = None

    def __init__(self, run_id: str, *, cursor: Cursor = BEGINNING) -> None:
        self._run_id = run_id
        self._placing = Placing(cursor, remembers=True)
        self._chat = Chat()
        #: the model's message that the open step is of; None: no step is open
        self._step: str | None = None

    def begin(self) -> list[Frame]:
        """`start`."""
        return self._placed([{"type": "start", "messageId": self._run_id}])

    def item(self, item: Item) -> list[Frame]:
        """The parts of one item."""
        return self._placed(self._events(self._chat.item(item)), item.position)

    def end(self) -> list[Frame]:
        """`finish`, and the word that closes the stream."""
        if self._placing.lost is not None:
            return self.failed(self._placing.lost)
        return [*self._ended({"type": "finish"}), self._placing.last("", DONE)]

    def failed(self, error: BaseException) -> list[Frame]:
        """`error`, or `abort` for a run that was cancelled, and the word that closes the stream."""
        told = error_data(error)
        last = {"type": "error", "errorText": told["message"] or told["error"]}
        if told["error"] == "RunCancelled":
            last = {"type": "abort"}
        return [*self._ended(last), self._placing.last("", DONE)]

    def _ended(self, last: Event) -> list[Frame]:
        return self._placed([*self._events(self._chat.end()), *self._close_step(), last])

    def _placed(self, events: Iterable[Event], position: str | None = None) -> list[Frame]:
        return self._placing.place([("", event) for event in events], position)

    def _events(self, parts: Iterable[Part]) -> Iterator[Event]:
        for part in parts:
            if part.kind in ("text-start", "reasoning-start"):
                yield from self._step_of(part.id)
            elif part.kind == "call-start":
                yield from self._step_of(str(part.data) or self._step or "")
            yield from _told(part)

    def _step_of(self, message: str) -> Iterator[Event]:
        """Messages that grow at the same time share a step: parts of a step that is closed would be lost."""
        if self._step is None:
            yield {"type": "start-step"}
        elif self._step != message and not self._chat.grows(but=message):
            yield from self._close_step()
            yield {"type": "start-step"}
        self._step = message

    def _close_step(self) -> Iterator[Event]:
        if self._step is not None:
            self._step = None
            yield {"type": "finish-step"}


def _told(part: Part) -> Iterator[Event]:
    kind, _, phase = part.kind.partition("-")
    if kind in ("text", "reasoning"):
        grown = {"delta": part.text} if phase == "delta" else {}
        yield {"type": part.kind, "id": f"{part.id}-{part.data}", **grown}
    elif part.kind == "call-start":
        yield {"type": "tool-input-start", "toolCallId": part.id, "toolName": part.name}
    elif part.kind == "call-delta":
        yield {"type": "tool-input-delta", "toolCallId": part.id, "inputTextDelta": part.text}
    elif part.kind == "call-end":
        yield {"type": "tool-input-available", "toolCallId": part.id, "toolName": part.name, "input": part.data}
    elif part.kind == "result" and part.data.get("status") == "error":
        yield {"type": "tool-output-error", "toolCallId": part.id, "errorText": part.text}
    elif part.kind == "result":
        yield {"type": "tool-output-available", "toolCallId": part.id, "output": part.data.get("content")}
    elif part.kind in ("custom", "retracted"):
        yield {"type": f"data-{part.kind}", "data": plain(part.data.data), "transient": part.kind == "retracted"}
    elif part.kind == "step-start":
        yield {"type": "data-node", "id": f"node-{part.name}", "data": {"name": part.name, "status": "running"}}
    elif part.kind == "step-end":
        yield {"type": "data-node", "id": f"node-{part.name}", "data": {"name": part.name, "status": "done"}}
    elif part.kind == "values":
        for asked in part.data.interrupts:
            shown = interrupt(asked)
            yield {"type": "data-interrupt", "id": f"interrupt-{shown['id']}", "data": shown}
