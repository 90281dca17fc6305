"""Why a value could not be encoded: a second, slow walk that finds the culprit and its path.

Runs only after the codec has failed, so it may take its time; but it meets hostile values (cycles, any depth, objects
whose methods raise), so it keeps its own stack and trusts no `repr`.
"""

from __future__ import annotations

import dataclasses
import enum
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any

from msgpack import ExtType, Timestamp  # type: ignore[import-untyped]

from drumline_graph.loaded import loaded
from drumline_protocol.codec import Boxed
from drumline_protocol.codec_builtin import DUMPERS, Refused
from drumline_protocol.codec_subclass import BASES, base_of
from drumline_protocol.codec_types import Opaque, WireType
from drumline_protocol.errors import EncodeError
from drumline_protocol.failure import class_name_of, text_of
from drumline_protocol.limits import CONTAINER_ITEMS_MAX, NESTING_MAX, TYPED_NESTING_MAX

FindType = Callable[[type], "WireType | None"]

#: A path from the root, innermost step first; None is the root.
Path = Any

_CONTAINERS = frozenset({OrderedDict, defaultdict, dict, list, tuple, set, frozenset, deque})
#: how one gives what lies in an object of a subclass
_PLAIN: dict[type, str] = {
    base: f"{base.__name__}(value)" for base in (dict, list, tuple, set, frozenset, str, int, float, bytes)
}
_SEQUENCES = (list, tuple, deque, set, frozenset)
_ATOMS = frozenset({type(None), bool, float, str, bytes, bytearray, Boxed, Opaque, ExtType, Timestamp})

UNKNOWN = "drumline cannot write this type; register it with drumline.types.register"
TOO_DEEP = f"more than {NESTING_MAX} lists and dicts lie inside one another"
STRUCTURED = "the class is not known; name it in the graph's schema, register it with drumline.types.register"
SUBCLASS = (
    "the class extends {base} and is not known; name it in the graph's schema, register it with "
    "drumline.types.register, or give {plain} instead"
)


def explain(value: Any, root: str, exc: BaseException, find: FindType) -> EncodeError:
    """The error for a `value` whose encoding failed with `exc`.

    `find` gives the wire type of a class.
    """
    try:
        found = _culprit(value, find)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a hostile object: the first exception tells more than this one
        found = None
    if found is None:
        deep = "recursion limit" in text_of(exc) or isinstance(exc, RecursionError)
        return EncodeError(root, type_name(value), TOO_DEEP if deep else _text(exc))
    path, culprit, reason = found
    return EncodeError(root + _shown(path), type_name(culprit), reason)


def type_name(value: Any) -> str:
    """The type of `value` for a message: `socket.socket`, or `dict` for a builtin."""
    return class_name_of(type(value))


def _text(exc: BaseException) -> str:
    return f"{class_name_of(type(exc))}: {text_of(exc, 500)}".removesuffix(": ")


def _shown(path: Path) -> str:
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(step)
    if len(steps) > 24:  # the path into something very deep or cyclic
        steps[12:-12] = ["..."]
    return "".join(reversed(steps))


def _step(key: Any) -> str:
    if type(key) is str:
        return f"[{key[:60] + '...' if len(key) > 60 else key!r}]"
    if type(key) in (int, float, bool, type(None)):
        return f"[{key!r}]"
    return f"[<{type_name(key)}>]"


def _culprit(value: Any, find: FindType) -> tuple[Path, Any, str] | None:
    """Depth first, in order.

    An item of the stack is (value, path, depth, typed depth), or the id of what was left.
    """
    stack: list[Any] = [(value, None, 0, 0)]
    inside: dict[int, Any] = {}  # keeps what it names alive, so that no id is used twice
    while stack:
        item = stack.pop()
        if type(item) is int:
            del inside[item]
            continue
        here, path, depth, typed = item
        if type(here) in _ATOMS or (type(here) is int and _fits(here)):
            continue
        if id(here) in inside:
            return path, here, "it contains itself"
        try:
            reason, children, is_typed = _look(here, find)
        except KeyboardInterrupt:
            raise
        except BaseException:  # it raises wherever it is touched
            return path, here, UNKNOWN
        if reason is None:
            depth, typed = (0, typed + 1) if is_typed else (depth + 1, typed)
            reason = _too_deep(depth, typed)
        if reason is not None:
            return path, here, reason
        inside[id(here)] = here
        stack.append(id(here))
        steps = [(child, (path, step), depth, typed) for step, child in children]
        stack.extend(reversed(steps))
    return None


def _too_deep(depth: int, typed: int) -> str | None:
    if typed > TYPED_NESTING_MAX:
        return f"more than {TYPED_NESTING_MAX} tuples, sets or objects lie inside one another"
    if depth > NESTING_MAX:
        return TOO_DEEP
    return None


def _fits(number: int) -> bool:
    return -(2**63) <= number < 2**64


def _look(value: Any, find: FindType) -> tuple[str | None, Iterator[tuple[str, Any]], bool]:
    """What is wrong with `value` itself, what lies inside it, and whether it is a typed value."""
    nothing: Iterator[tuple[str, Any]] = iter(())
    wire_type = find(type(value))
    if wire_type is not None:
        try:
            return None, _children(value, wire_type), True
        except KeyboardInterrupt:
            raise
        except Refused as exc:
            return text_of(exc), nothing, True
        except BaseException as exc:
            return f"its fields cannot be read: {_text(exc)}", nothing, True
    unknown = _unknown(value)
    if unknown is not None:
        return unknown, nothing, False
    if isinstance(value, (dict, *_SEQUENCES)):
        if len(value) > CONTAINER_ITEMS_MAX:
            return f"it has {len(value)} items; the limit is {CONTAINER_ITEMS_MAX}", nothing, False
        return None, _items(value), not isinstance(value, (dict, list))
    dump = DUMPERS.get(type(value))
    if dump is not None:
        try:
            dump(value, lambda _value: b"")
        except KeyboardInterrupt:
            raise
        except BaseException as exc:
            return _text(exc), nothing, True
    return None, nothing, False


def _unknown(value: Any) -> str | None:
    """Why objects of this class, which is in no table, cannot be written; None if they can."""
    cls = type(value)
    if cls in DUMPERS or cls in (dict, list):
        return None
    if isinstance(value, enum.Enum) or dataclasses.is_dataclass(cls) or hasattr(cls, "_field_defaults"):
        return STRUCTURED
    pydantic = loaded("pydantic")
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        return STRUCTURED
    if cls.__module__.startswith("zoneinfo"):
        return None
    base = base_of(cls)
    if base is None or base not in BASES:
        return UNKNOWN
    plain = _PLAIN.get(base)
    return SUBCLASS.format(base=base.__name__, plain=plain or f"a {base.__name__}")


def _children(value: Any, wire_type: WireType) -> Iterator[tuple[str, Any]]:
    """What lies inside an object of a known class: items of one that extends a container, fields of others."""
    return iter(list(_inside(value, wire_type.tag, wire_type.dump(value))))


def _inside(value: Any, tag: str, parts: list[Any]) -> Iterator[tuple[str, Any]]:
    if tag == "pandas:DataFrame":
        yield from ((_step(name), column[1]) for name, column in zip(value.columns, parts[0], strict=True))
        parts = parts[1:]
    elif tag == "pandas:Series":
        yield "", parts[0][1]
        parts = parts[1:]
    base = base_of(type(value))
    if base in _CONTAINERS and not hasattr(type(value), "_fields"):
        held = parts[0]
        if base is defaultdict:
            yield ".default_factory", held[0]
            held = held[1]
        yield from _items(held)
        parts = parts[1:]
    yield from _fields(parts)


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for index, (key, child) in enumerate(dict.items(value)):
            yield f".keys()[{index}]", key
            yield _step(key), child
    else:
        for index, child in enumerate(value):
            yield f"[{index}]", child


def _fields(parts: list[Any]) -> Iterator[tuple[str, Any]]:
    for part in parts:
        if type(part) is dict and all(type(key) is str for key in part):
            for name, child in part.items():
                yield f".{name}", child
        else:
            yield "", part
