"""What encoded bytes would cost to decode, known before anything is built.

A byte can become an object of hundreds, and a forged count claims room for a million items that never come. So large
values are walked over first (`check_size`): token by token, through all levels of typed values, with nothing but a
position and a number of tokens to come. The same walk bounds what is encoded, so that both sides agree.

Smaller data cannot exceed the bounds. What it may hold are forged counts (`check_counts`) and keys chosen so that their
hashes are equal (`checked_dict`, `check_hashes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgpack import Unpacker  # type: ignore[import-untyped]

from drumline_protocol.limits import CONTAINER_ITEMS_MAX, EQUAL_HASHES_MAX, VALUE_ITEMS_MAX, VALUE_TYPED_MAX

#: Values up to this size are within all bounds: a typed value takes at least three bytes.
COUNT_FROM_BYTES = min(CONTAINER_ITEMS_MAX, 3 * VALUE_TYPED_MAX)

#: Smaller values hold few that take long to build.
SLOW_FROM_BYTES = 32 * 1024

#: What tags of those begin with, and so what stands in bytes that may hold them.
SLOW_TAGS = ("pandas:", "python:re.")
_SLOW_TAGS = tuple(tag.encode() for tag in SLOW_TAGS)

#: What every typed value begins with.
_EXT_HEADS = bytes([0xC7, 0xC8, 0xC9, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8])

#: From this many items on a list is tried for being all numbers, which are then counted at once.
_RUN_ITEMS = 64

#: Of each first byte: the bytes that its token takes (without what lies inside a list or dict), 0 if that is not fixed.
_STEPS = bytearray(256)

#: Of each first byte: by how much the number of tokens to come changes.
_MORE = [-1] * 256


class LongContainer(ValueError):
    """One list or dict alone has too many items."""


def _fill() -> None:
    for first in (*range(0x80), *range(0xE0, 0x100), 0xC0, 0xC2, 0xC3):
        _STEPS[first] = 1
    for n in range(16):
        _STEPS[0x80 + n] = _STEPS[0x90 + n] = 1
        _MORE[0x80 + n], _MORE[0x90 + n] = 2 * n - 1, n - 1
    for n in range(32):
        _STEPS[0xA0 + n] = 1 + n
    numbers = {0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9}
    for first, size in numbers.items():
        _STEPS[first] = size


_fill()

#: All first bytes of tokens that are one byte long and hold nothing.
_SINGLES = bytes(first for first in range(256) if _STEPS[first] == 1 and _MORE[first] == -1)

#: Texts, bytes and ext values with a length: bytes of the length.
_LENGTHS = {0xD9: 1, 0xDA: 2, 0xDB: 4, 0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4}
_FIXED_EXT = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_EXT = frozenset(_EXT_HEADS)

#: Lists and dicts with a count: bytes of the count, and tokens of one item.
_COUNTS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def may_exceed(data: bytes) -> bool:
    """Whether `data` may hold more than the bounds allow, so that `check_size` must look: a guess that costs little."""
    size = len(data)
    if size > SLOW_FROM_BYTES and any(tag in data for tag in _SLOW_TAGS):
        return True
    if size <= COUNT_FROM_BYTES:
        return False
    if size > VALUE_ITEMS_MAX or b"\xdd\x00" in data or b"\xdf\x00" in data:  # a list or dict of 65,536 or more
        return True
    return size - len(data.translate(None, _EXT_HEADS)) > VALUE_TYPED_MAX // 2


def check_size(data: bytes, nested: frozenset[int], weights: Mapping[int, int]) -> bool:
    """ValueError if the value in `data` has too many items. Whether keys of a long dict in it may be typed values.

    `nested` are the ext codes whose payload is a value in this format; `weights` tells which codes count for more than
    one. What is no msgpack at all passes, up to where it ceases to be: the decoder will stop there too.
    """
    pos, left, at_once, typed = 0, 1, 0, 0
    long_dict = False
    try:
        for visited in range(VALUE_ITEMS_MAX + 1):
            if left <= 0:
                if visited + at_once > VALUE_ITEMS_MAX:
                    break
                return long_dict and typed > EQUAL_HASHES_MAX
            first = data[pos]
            step = _STEPS[first]
            if step:
                pos += step
                left += _MORE[first]
            elif first in _EXT:
                code, start, end = _ext(data, pos, first)
                typed += weights.get(code, 1)
                if typed > VALUE_TYPED_MAX:
                    raise ValueError(_too_many("typed values", VALUE_TYPED_MAX))
                if code in nested:
                    pos = start
                else:
                    pos = end
                    left -= 1
            elif first in _COUNTS:
                pos, count, tokens = _head(data, pos, first)
                run = _numbers(data, pos, count) if tokens == 1 else 0
                long_dict = long_dict or (tokens == 2 and count > EQUAL_HASHES_MAX)
                at_once += count if run else 0
                left += -1 if run else count * tokens - 1
                pos += run
                if visited + at_once + left > VALUE_ITEMS_MAX:
                    break
            else:
                pos += 1 + _LENGTHS[first] + _number(data, pos + 1, _LENGTHS[first])
                left -= 1
        raise ValueError(_too_many("items", VALUE_ITEMS_MAX))
    except LookupError:
        return True


def _too_many(what: str, most: int) -> str:
    return f"it holds more than {most} {what}, all levels together"


def _number(data: bytes, pos: int, size: int) -> int:
    return int.from_bytes(data[pos : pos + size], "big")


def _ext(data: bytes, pos: int, first: int) -> tuple[int, int, int]:
    """Code, begin and end of the payload."""
    size = _FIXED_EXT.get(first)
    if size is None:
        width = _LENGTHS[first]
        size = _number(data, pos + 1, width)
        pos += width
    return data[pos + 1], pos + 2, pos + 2 + size


def _head(data: bytes, pos: int, first: int) -> tuple[int, int, int]:
    """Where the items of a list or dict begin, how many there are, and how many tokens each of them is."""
    width, tokens = _COUNTS[first]
    count = _number(data, pos + 1, width)
    if count > CONTAINER_ITEMS_MAX:
        raise LongContainer(f"a list or dict of {count} items; the limit is {CONTAINER_ITEMS_MAX}")
    return pos + 1 + width, count, tokens


def _numbers(data: bytes, pos: int, count: int) -> int:
    """How many bytes the `count` items at `pos` take if all are numbers of one kind, or texts of one length; else 0."""
    if count < _RUN_ITEMS or _MORE[data[pos]] != -1:
        return 0
    step = _STEPS[data[pos]]
    end = pos + count * step
    if not step or end > len(data):
        return 0
    if step == 1:
        return 0 if data[pos:end].translate(None, _SINGLES) else count
    return end - pos if data[pos:end:step].count(data[pos]) == count else 0


# -- small data ------------------------------------------------------------------------------------

#: In less data than this forged counts claim little, and keys of equal hashes are few.
HARMLESS_BYTES = 1024


def may_forge(data: bytes) -> bool:
    """Whether a long list may be in `data`: its count may claim more room than there are bytes."""
    return b"\xdc" in data or b"\xdd" in data


def may_collide(data: bytes) -> bool:
    """Whether `data` may hold a long dict whose keys are typed values: only their hashes can be chosen."""
    if b"\xde" not in data and b"\xdf" not in data:
        return False
    return len(data) - len(data.translate(None, _EXT_HEADS)) > EQUAL_HASHES_MAX


def check_counts(data: bytes) -> None:
    """ValueError, or one of msgpack's, if the items that lists and dicts claim to have are not there."""
    unpacker = Unpacker(max_buffer_size=len(data))
    unpacker.feed(data)
    unpacker.skip()


def checked_dict(pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    """The dict of these pairs. ValueError if too many keys have the same hash."""
    if len(pairs) > EQUAL_HASHES_MAX:
        check_hashes([key for key, _ in pairs])
    return dict(pairs)


def check_hashes(keys: Iterable[Any]) -> None:
    """ValueError if many of these keys have the same hash: a dict or set of them takes quadratic time.

    The hashes of ints, tuples and most other things that are no text can be chosen.
    """
    hashes = list(map(hash, keys))
    equal = len(hashes) - len(set(hashes))
    if equal > EQUAL_HASHES_MAX:
        raise ValueError(f"{equal} keys have the hash of another one; the limit is {EQUAL_HASHES_MAX}")
