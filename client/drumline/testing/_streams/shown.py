"""What a run yielded, as text that does not depend on where it ran.

`Recorded` holds the items of one stream and the exception that ended it. `show` renders any payload so that equal text
means equal for a user: container types, key order and number types count; UUIDs stay (they are renamed later),
timestamps and object addresses do not.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

#: ids of interrupts are hashes of task ids
HASH = re.compile(r"(?<=')[0-9a-f]{32}(?=')")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_ENGINE_ROOTS = ("langgraph", "drumline", "drumline_graph", "drumline_protocol")
# Fields by which values of the engines' own classes are compared; other fields are each engine's own affair.
_OWN_FIELDS = {
    "Send": ("node", "arg"),
    "Command": ("graph", "update", "resume", "goto"),
    "Overwrite": ("value",),
    "Interrupt": ("value",),
}


@dataclass(slots=True)
class Item:
    """One stream item in its longest shape, whatever shape the call yielded."""

    ns: tuple[str, ...]
    mode: str
    payload: Any


@dataclass(slots=True)
class Recorded:
    """One stream: its items in order, and the exception that ended it (None: it ended by itself)."""

    items: list[Item] = field(default_factory=list)
    error: BaseException | None = None

    @classmethod
    def of(cls, items: Iterable[tuple[Any, ...]], error: BaseException | None = None) -> Self:
        """From `(ns, mode, payload)` or `(mode, payload)` tuples, as a list of modes yields them."""
        found = [(item[0] if len(item) == 3 else (), item[-2], item[-1]) for item in items]
        return cls([Item(ns, mode, payload) for ns, mode, payload in found], error)

    def payloads(self, mode: str, ns: tuple[str, ...] = ()) -> list[Any]:
        return [item.payload for item in self.items if item.mode == mode and item.ns == ns]

    def of_mode(self, *modes: str) -> Self:
        """The same stream with only the items of these modes."""
        return type(self)([item for item in self.items if item.mode in modes], self.error)


def is_engine_type(kind: type[Any]) -> bool:
    """Whether a class is LangGraph's or drumline's own."""
    return kind.__module__.split(".")[0] in _ENGINE_ROOTS


def show_error(error: BaseException) -> str:
    """Type and text; of an engine's own error only the type, because each engine words its own errors."""
    if is_engine_type(type(error)):
        return f"<{type(error).__name__}>"
    return f"<{type(error).__name__}: {error}>"


def show(value: Any) -> str:
    """Text of a payload; see the module docstring for what counts."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if value is None or isinstance(value, (str, bytes, bool, int, float)):
        return _plain(value)
    if isinstance(value, BaseException):
        return show_error(value)
    if isinstance(value, Mapping):
        if "langgraph_step" in value:
            return show_metadata(value)
        inner = ", ".join(f"{show(k)}: {show(v)}" for k, v in value.items())
        return _named(value, dict, f"{{{inner}}}")
    if isinstance(value, tuple):
        inner = ", ".join(map(show, value)) + ("," if len(value) == 1 else "")
        return _named(value, tuple, f"({inner})")
    if isinstance(value, list):
        return _named(value, list, f"[{', '.join(map(show, value))}]")
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__}({sorted(map(show, value))})"
    return _show_object(value)


def _plain(value: Any) -> str:
    for base in (bool, str, bytes, int, float):
        if isinstance(value, base):
            return _named(value, base, repr(base(value)))  # type: ignore[arg-type]
    return "None"


def _named(value: Any, base: type[Any], text: str) -> str:
    """`text`, under the name of the class where that is a subclass of `base`."""
    return text if type(value) is base else f"{type(value).__name__}{text}"


def _show_object(value: Any) -> str:
    name = type(value).__name__
    if isinstance(value, type):
        return f"<class {value.__name__}>"
    if name in _OWN_FIELDS and is_engine_type(type(value)):
        fields = [(key, getattr(value, key)) for key in _OWN_FIELDS[name]]
    elif hasattr(type(value), "model_fields"):
        fields = [(key, getattr(value, key)) for key in type(value).model_fields]
        extra = getattr(value, "model_extra", None) or {}
        fields += extra.items()
    elif dataclasses.is_dataclass(value):
        fields = [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)]
    else:
        return _ADDRESS.sub("", repr(value))
    return f"{name}({', '.join(f'{key}={show(item)}' for key, item in fields)})"


def show_metadata(metadata: Mapping[str, Any]) -> str:
    """Metadata of a message item: order of keys means nothing, all else counts, LangChain's own `ls_*` and
    `lc_versions` too. Only the name that LangGraph gives itself for its tracer is left out.
    """
    kept = (k for k in sorted(metadata) if (k, metadata[k]) != ("ls_integration", "langgraph"))
    return f"{{{', '.join(f'{k!r}: {show(metadata[k])}' for k in kept)}}}"


def show_payload(mode: str, payload: Any) -> str:
    """Text of one item's payload, without what no two runs share (timestamps)."""
    if mode == "debug":
        return show({key: item for key, item in payload.items() if key != "timestamp"})
    if mode == "messages":
        message, metadata = payload
        return f"({show(message)}, {show_metadata(metadata)})"
    return show(payload)


def rename_ids(lines: Iterable[str], known: Mapping[str, str] | None = None) -> Iterator[str]:
    """Replace every UUID and hash: by its name in `known`, else by `<id N>` in order of first appearance."""
    names = dict(known or {})
    unknown = 0

    def rename(match: re.Match[str]) -> str:
        nonlocal unknown
        if match[0] not in names:
            unknown += 1
            names[match[0]] = f"<id {unknown}>"
        return names[match[0]]

    for line in lines:
        yield HASH.sub(rename, UUID.sub(rename, line))


def exact_lines(recorded: Recorded) -> list[str]:
    """The stream item by item in the order of arrival: for graphs in which nothing races."""
    lines = [f"{item.ns} {item.mode} {show_payload(item.mode, item.payload)}" for item in recorded.items]
    if recorded.error is not None:
        lines.append(f"raised {show_error(recorded.error)}")
    return list(rename_ids(lines))
