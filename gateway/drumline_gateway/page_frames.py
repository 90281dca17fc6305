"""The items of a run as the page's stream of facts: one event for each, with its position as id. Pure."""

from __future__ import annotations

from typing import Any

from drumline_gateway.json_values import error_data, interrupt
from drumline_gateway.placing import Frame
from drumline_gateway.service import Item

#: what the page shows: the facts, and of the stream modes those that tell values
MODES = ("facts", "values", "custom", "messages")

#: modes whose items are there only if the run was started with them
RECORDED = frozenset(("custom", "messages"))


class PageFrames:
    """The frames of one reader: `{"type", "ns", "data"[, "interrupts"]}` of each item, as event `item`.

    The last one is `end`, or `error` if the stream itself cannot go on; how the run has ended is told by its last fact.
    A burst of events begins with the fact `Emitted`, which says whose they are. Where that is what the reader was told
    last it is left out, and the other ids stay as they are.
    """

    def __init__(self, after: str | None) -> None:
        self._position = after or ""
        self._emitter: Any = None

    def begin(self) -> list[Frame]:
        """What comes before all items."""
        return []

    def item(self, item: Item) -> list[Frame]:
        """The frame of an item."""
        self._position = item.position
        data = item.data
        if item.mode == "retracted":  # the fact says so
            return []
        if item.mode == "facts":
            if data["fact"] == "Emitted":
                emitter = (data["task"], data["attempt"], data["executor"])
                if emitter == self._emitter:
                    return []
                self._emitter = emitter
            elif "interrupts" in data:
                data = {**data, "interrupts": [interrupt(one) for one in data["interrupts"]]}
        shown = {"type": item.mode, "ns": list(item.ns), "data": data}
        if item.interrupts:
            shown["interrupts"] = [interrupt(one) for one in item.interrupts]
        return [Frame("item", shown, item.position)]

    def end(self) -> list[Frame]:
        """What comes behind all items of a run that has ended."""
        return [Frame("end", None, self._position)]

    def failed(self, error: BaseException) -> list[Frame]:
        """The same of a run that has failed. The stream of one that cannot be read ends with that error."""
        return [Frame("error", error_data(error), self._position)]
