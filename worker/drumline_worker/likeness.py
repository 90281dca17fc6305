"""Whether a value that user code had in its hands still is what it was, and if not, what was changed. Pure.

A worker may say of a value in an answer where it comes from only if that is true of every byte. So the value is held
against one that no user code has seen. Where both share their parts, as a clone and its original do (`pristine`), this
takes about as long as a clone; what is shared with nobody is compared by its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from operator import attrgetter, is_
from typing import Any

from drumline_graph.delta import APPEND, PUT, REPLACE, TAKE_ITEMS, Change
from drumline_graph.message_types import Message, MessageChunk
from drumline_protocol.codec import Codec

#: no change is smaller than the value
UNLIKE = object()

#: types of which equal objects have equal bytes
_EXACT = frozenset({type(None), bool, int, str, bytes})
#: of two that are as long as each other: to say so again (`strict=`) would cost a tenth of the whole comparison
_pairs = zip


def difference(codec: Codec, value: Any, original: Any) -> Change | Any:
    """The change that makes `value` of `original`: None if they are alike, UNLIKE if there is none that is small.

    Neither is changed.
    """
    kind = type(value)
    if kind is not type(original):
        return UNLIKE
    if kind is list:
        return _of_lists(codec, value, original)
    if kind is dict:
        return _of_dicts(codec, value, original)
    if kind is str or kind is bytes:
        if not value.startswith(original):
            return UNLIKE
        return None if len(value) == len(original) else (APPEND, value[len(original) :])
    return None if alike(codec, value, original) else UNLIKE


def alike(codec: Codec, one: Any, other: Any) -> bool:
    """Whether both have the same bytes."""
    if is_same(one, other):
        return True
    if type(one) is not type(other) or type(one) in _EXACT:
        return False
    try:
        return codec.encode(one) == codec.encode(other)
    except Exception:  # it cannot be written: whoever writes it will say so
        return False


def _of_lists(codec: Codec, value: list[Any], original: list[Any]) -> Change | Any:
    if len(value) < len(original):
        return _taken(codec, value, original)
    tail = value[len(original) :]
    if _are_same([zip(value, original, strict=False)]):  # nearly always: at once, and not item by item
        return (APPEND, tail) if tail else None
    replaced: dict[int, Any] = {}
    for index, (item, before) in enumerate(zip(value, original, strict=False)):
        if not alike(codec, item, before):
            replaced[index] = item
            if len(replaced) * 2 > len(original):
                return UNLIKE
    if replaced:
        return REPLACE, replaced, tail
    return (APPEND, tail) if tail else None


def _taken(codec: Codec, value: list[Any], original: list[Any]) -> Change | Any:
    """A list that lacks items: the last ones, the first ones, or some between."""
    taken: list[int] = []
    at = 0
    for item in value:
        while at < len(original) and not is_same(item, original[at]):
            taken.append(at)
            at += 1
        if at == len(original):  # none is the same object: a part of a list whose items share nothing
            return _part(codec, value, original)
        at += 1
    return TAKE_ITEMS, [*taken, *range(at, len(original))], {}, []


def _part(codec: Codec, value: list[Any], original: list[Any]) -> Change | Any:
    """The last items of the list, compared by their bytes."""
    first = len(original) - len(value)
    if not value or not all(alike(codec, item, original[first + index]) for index, item in enumerate(value)):
        return UNLIKE
    return TAKE_ITEMS, list(range(first)), {}, []


def _of_dicts(codec: Codec, value: dict[Any, Any], original: dict[Any, Any]) -> Change | Any:
    if len(value) < len(original) or not all(map(_same_key, value, original)):
        return UNLIKE
    before = iter(original.values())
    put = {
        key: item
        for index, (key, item) in enumerate(value.items())
        if index >= len(original) or not alike(codec, item, next(before))
    }
    return (PUT, put) if put else None


def _same_key(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one is other or (type(one) in _EXACT and one == other))


def is_same(one: Any, other: Any) -> bool:
    """Whether a look through what both consist of tells that they have the same bytes. A No may be wrong."""
    return _are_same([((one, other),)])


def _are_same(waiting: list[Iterable[tuple[Any, Any]]]) -> bool:
    """Whether that holds for all of these pairs. `waiting` is used up.

    One loop and no calls: a long talk has thousands of parts, and is compared for each task that hands it on.
    """
    while waiting:
        for one, other in waiting.pop():
            if one is other:
                continue
            kind = type(one)
            if kind is not type(other):
                return False
            if kind is dict:
                if len(one) != len(other):
                    return False
                if one:
                    if not all(map(is_, one, other)) and not all(map(_same_key, one, other)):
                        return False
                    waiting.append(_pairs(one.values(), other.values()))
            elif kind is list or kind is tuple:
                if len(one) != len(other):
                    return False
                if one:
                    waiting.append(_pairs(one, other))
            elif kind in _EXACT:
                if one != other:
                    return False
            elif _is_langchain_model(kind):  # type: ignore[arg-type]  # mypy holds that `type` is not hashable
                fields, others = one.__dict__, other.__dict__
                if [*fields] != [*others] or one.__pydantic_fields_set__ != other.__pydantic_fields_set__:
                    return False
                waiting.append(_pairs(fields.values(), others.values()))
                extra, beyond = one.__pydantic_extra__, other.__pydantic_extra__
                if extra or beyond or type(extra) is not type(beyond):
                    waiting.append(((extra, beyond),))
                if one.__pydantic_private__ is not other.__pydantic_private__:
                    waiting.append(((one.__pydantic_private__, other.__pydantic_private__),))
            elif kind is Message or kind is MessageChunk:
                parts = attrgetter(*kind.__slots__)
                waiting.append(_pairs(parts(one), parts(other)))
            elif (kind is not set and kind is not frozenset) or set(map(id, one)) != set(map(id, other)):
                return False
    return True


@cache
def _is_langchain_model(kind: type) -> bool:
    return hasattr(kind, "__pydantic_fields_set__") and kind.__module__.startswith("langchain_core.")
