"""What a task was handed under names, so that its answer may name it again in the arguments of its Sends. No IO.

A router that answers with `Send(node, {..., "state": state})` sends on what it has read. Its worker knows the version
of each cell that it read, so it writes a `Derived` in place of the argument: the version, and what the task changed
since. Which value comes from where is guessed by identity; that it does is then proved (`likeness`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from types import MappingProxyType
from typing import Any

from drumline_graph.constants import TASKS
from drumline_graph.program import Node
from drumline_graph.types import Send
from drumline_protocol.cells import CellAt, assemble
from drumline_protocol.codec import Boxed, Codec
from drumline_protocol.codec_builtin import TAGGED, ext
from drumline_protocol.codec_derived import Derived, Hole
from drumline_protocol.limits import HOLES_LOOK_ITEMS_MAX, HOLES_MAX
from drumline_protocol.named import Named
from drumline_protocol.seen_cells import Seen
from drumline_worker.likeness import UNLIKE, difference

#: what a look need not go into
_PLAIN = frozenset({type(None), bool, int, float, complex})
#: a shorter text is not longer than its name
_TEXT_BYTES_MIN = 64
#: containers inside one another that are looked through
_DEPTH_MAX = 16


#: of a graph that is not known: nothing is named for its nodes
NO_NODES: Mapping[str, Node] = MappingProxyType({})

#: what was found for a value, by its identity; with the value itself, so that no other one gets its identity
Holes = dict[int, tuple[Any, "tuple[Origin, Any] | None"]]


class Origin:
    """One named value that a task was handed: `value` is what user code got, `at` its name."""

    __slots__ = ("_codec", "_original", "at", "seen", "value")

    def __init__(self, codec: Codec, at: CellAt | Named, seen: Seen, value: Any) -> None:
        self._codec = codec
        self.at = at
        self.seen = seen
        self.value = value
        self._original: Any = None

    def original(self) -> Any:
        """The value as the broker has it, which no user code has seen."""
        if self._original is None:
            seen = self.seen
            kept = seen.pristine
            self._original = assemble(self._codec, seen.rows, seen.version) if kept is None else kept.value
        return self._original


class Origins:
    """The named values of one task. `nodes` are those of its graph.

    A node that is a graph itself gets its argument from the coordinator, which does not put values into holes.
    """

    def __init__(self, codec: Codec, nodes: Mapping[str, Node] = NO_NODES) -> None:
        self._codec = codec
        self._nodes = nodes
        self._found: list[Origin] = []
        self._by_id: dict[int, Origin] | None = None
        self._texts: list[Origin] = []

    def add(self, at: CellAt | Named, seen: Seen, value: Any) -> None:
        """The task is handed `value`, which is that of `seen`, or was made of it."""
        self._found.append(Origin(self._codec, at, seen, value))

    def __len__(self) -> int:
        return len(self._found)

    def in_writes(self, writes: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """The writes of the task, with a `Derived` for each argument that holds values it was handed."""
        if not self._found:
            return writes
        holes: Holes = {}
        return [(channel, self._in_sends(value, holes) if channel == TASKS else value) for channel, value in writes]

    def _in_sends(self, value: Any, holes: Holes) -> Any:
        if type(value) in (list, tuple):
            return type(value)([self._in_sends(item, holes) for item in value])
        if type(value) is not Send:
            return value
        node = self._nodes.get(value.node)
        if node is None or node.subprogram is not None:
            return value
        arg = self._argument(value.arg, holes)
        return value if arg is value.arg else Send(value.node, arg, timeout=value.timeout)

    def _argument(self, arg: Any, holes: Holes) -> Any:
        look = _Look(self, holes)
        try:
            sketch = look.at(arg)
            if sketch is arg:
                return arg
            return Derived(tuple(look.origins), Boxed(self._codec.encode(sketch), self._codec))
        except Exception:  # of an encoder: whoever writes the argument as it is tells of it, with its path
            return arg

    def find(self, value: Any) -> tuple[Origin, Any] | None:
        """Where a value comes from, and the change that was made to it since; None if it comes from nowhere."""
        for origin in self._candidates(value):
            change = difference(self._codec, value, origin.original())
            if change is UNLIKE:
                continue
            if change is None or len(self._codec.encode(list(change))) * 2 < origin.seen.size:
                return origin, change
        return None

    def _candidates(self, value: Any) -> Iterable[Origin]:
        if self._by_id is None:
            self._by_id = self._index()
        if type(value) in (str, bytes):
            return self._texts if len(value) >= _TEXT_BYTES_MIN else ()
        found = self._by_id.get(id(value))
        if found is None and value and type(value) in (list, dict):
            first = value[0] if type(value) is list else next(iter(value.values()))
            found = self._by_id.get(id(first))
        return () if found is None else (found,)

    def _index(self) -> dict[int, Origin]:
        """Origins by the identity of what was handed out, and of what lies in its lists and dicts."""
        found: dict[int, Origin] = {}
        for origin in self._found:
            value = origin.value
            if type(value) in (str, bytes):
                self._texts.append(origin)
                continue
            if type(value) in (list, dict):
                for item in value if type(value) is list else value.values():
                    if type(item) not in _PLAIN:
                        found.setdefault(id(item), origin)
        found.update((id(origin.value), origin) for origin in self._found)
        return found


class _Look:
    """A look through one argument for values of others. `holes` are those found in all arguments of an answer."""

    def __init__(self, known: Origins, holes: Holes) -> None:
        self.origins: list[CellAt | Named] = []
        self._known = known
        self._holes = holes
        self._left = HOLES_LOOK_ITEMS_MAX
        self._holes_left = HOLES_MAX

    def at(self, value: Any, depth: int = 0) -> Any:
        """The value with holes in it; the very same object if it has none."""
        kind = type(value)
        if kind in _PLAIN or self._left <= 0 or depth > _DEPTH_MAX:
            return value
        self._left -= 1
        hole = self._hole(value)
        if hole is not None:
            return hole
        if kind is dict:
            changed = {key: self.at(item, depth + 1) for key, item in value.items()}
            return changed if any(changed[key] is not item for key, item in value.items()) else value
        if kind is list or kind is tuple:
            items = [self.at(item, depth + 1) for item in value]
            return kind(items) if any(a is not b for a, b in zip(items, value, strict=True)) else value
        if kind is str or kind is bytes or not (is_dataclass(value) or hasattr(kind, "__pydantic_fields__")):
            return value
        return self._typed(value, depth)

    def _typed(self, value: Any, depth: int) -> Any:
        """An object of a class with fields, already encoded if there are holes in it."""
        codec = self._known._codec
        found = codec.wire_type(type(value))
        if found is None:
            return value
        parts = found.dump(value)
        changed = self.at(parts, depth + 1)
        return value if changed is parts else ext(TAGGED, codec.encode([found.tag, *changed]))

    def _hole(self, value: Any) -> Hole | None:
        known = self._holes.get(id(value))
        if known is None:
            known = self._holes[id(value)] = (value, self._known.find(value))
        found = known[1]
        if found is None or self._holes_left <= 0:
            return None
        self._holes_left -= 1
        origin, change = found
        if origin.at not in self.origins:
            self.origins.append(origin.at)
        return Hole(self.origins.index(origin.at), change)
