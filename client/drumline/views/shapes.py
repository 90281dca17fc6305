"""The outer shape of stream items, as a function of the call's arguments (docs/semantics.md §1.1). Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from drumline_graph.constants import INTERRUPT
from drumline_graph.types import GraphOutput

#: every stream mode there is
MODES = ("values", "updates", "custom", "messages", "debug", "tasks", "checkpoints", "tools")

#: one more, which is not offered to users: the facts themselves, for the gateway's page (`drumline.views.telling`)
FACTS = "facts"

Shape = Callable[[tuple[str, ...], str, Any], Any]


def parse_modes(stream_mode: str | Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """The modes asked for, and whether items carry their mode (a list, tuple or set was given).

    ValueError for a mode that does not exist; LangGraph runs silently instead, and yields nothing.
    """
    modes: tuple[str, ...]
    if isinstance(stream_mode, str):
        modes, listed = (stream_mode,), False
    else:
        modes, listed = tuple(dict.fromkeys(stream_mode)), True
    for mode in modes:
        if mode not in MODES and mode != FACTS:
            raise ValueError(f"unknown stream mode {mode!r}: the modes are {', '.join(MODES)}")
    return modes, listed


def shape_of(*, listed: bool, subgraphs: bool, version: str) -> Shape:
    """How `(namespace, mode, payload)` becomes the item that the caller gets.

    v1: `payload`, `(mode, payload)`, `(ns, payload)` or `(ns, mode, payload)`; v2: always one dict.
    """
    if version == "v2":
        return lambda ns, mode, payload: {"type": mode, "ns": ns, "data": payload}
    if version != "v1":
        raise ValueError(f"unknown stream version {version!r}: the versions are 'v1' and 'v2'")
    if listed:
        if subgraphs:
            return lambda ns, mode, payload: (ns, mode, payload)
        return lambda _ns, mode, payload: (mode, payload)
    if subgraphs:
        return lambda ns, _mode, payload: (ns, payload)
    return lambda _ns, _mode, payload: payload


def print_item(ns: tuple[str, ...], mode: str, payload: Any) -> None:
    """What `print_mode` prints: the mode in bold, a subgraph's namespace in yellow, the payload's repr."""
    where = f"\x1b[33;1m[graph={ns}]\x1b[0m " if ns else ""
    print(f"\x1b[1m[{mode}]\x1b[0m {where}{payload!r}")


class FinalOutput:
    """What `invoke` makes of the `values` items of a run, given one after another.

    With `subgraphs` there are items of subgraphs among them: only those of the outermost graph count.
    """

    __slots__ = ("_depth", "_interrupts", "_last", "_subgraphs", "_version")

    def __init__(self, version: str, *, subgraphs: bool = False) -> None:
        self._version = version
        self._subgraphs = subgraphs
        self._depth: int | None = None
        self._last: Any = None
        self._interrupts: list[Any] = []

    def add(self, item: Any) -> None:
        """Take the next item."""
        if self._subgraphs:
            ns = item["ns"] if self._version == "v2" else item[0]
            if self._depth is not None and len(ns) > self._depth:
                return
            if self._depth != len(ns):  # what came before was a subgraph's
                self._depth, self._last, self._interrupts = len(ns), None, []
        if self._version == "v2":
            self._last = item["data"]
            self._interrupts.extend(item["interrupts"])
            return
        self._last = item[1] if self._subgraphs else item
        if isinstance(self._last, dict):
            self._interrupts.extend(self._last.get(INTERRUPT, ()))

    def result(self) -> Any:
        """v2: a `GraphOutput`. v1: the last value (None: there was none), and the interrupts under `__interrupt__`."""
        if self._version == "v2":
            return GraphOutput(value=self._last, interrupts=tuple(self._interrupts))
        if not self._interrupts:
            return self._last
        return {**(self._last if isinstance(self._last, dict) else {}), INTERRUPT: self._interrupts}
