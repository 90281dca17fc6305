"""Frames that are nearly right: valid ones with something changed, and msgpack out of a grammar."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from msgpack import ExtType
from tests.fuzz.trees import Opened, at, parse, places, put, write

#: ext codes: those of the codec, some that nobody has
CODES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 32, 33, 34, 35, 99, 127, -1, -128]
TAGS = [
    *(f"drumline:{name}" for name in ("Send", "Command", "Interrupt", "Overwrite", "Failure", "Message", "Nobody")),
    *(f"langchain:{name}" for name in ("AIMessage", "ToolMessage", "Document", "TextAccessor", "Nobody")),
    *(f"python:{name}" for name in ("OrderedDict", "defaultdict", "Fraction", "re.Pattern", "array", "memoryview")),
    *(f"python:{name}" for name in ("exception", "class", "PosixPath", "struct_time", "mappingproxy", "Nobody")),
    *("pydantic:SecretStr", "pydantic:HttpUrl", "numpy:ndarray", "numpy:float64", "numpy:MaskedArray"),
    *("pandas:DataFrame", "pandas:Series", "pandas:MultiIndex", "pandas.scalar:Timestamp", "pandas:array.Categorical"),
    *("tests.protocol.samples:Point", "tests.protocol.samples:Model", "tests.protocol.samples:Bits", "os:system"),
]
WORDS = ["", "a", "text", "run-1", "\ud800", "x" * 201, "é", "__tasks__", "node", "value", "goto", *TAGS]
NUMBERS = [0, 1, -1, 2, 31, 32, 34, 127, 255, 2**31, 2**53, 2**63 - 1, -(2**63), 2**64 - 1]


def leaf(rng: Random) -> Any:
    """A scalar."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice(WORDS)
    if kind == 1:
        return rng.choice(NUMBERS)
    if kind == 2:
        return rng.randbytes(rng.choice((0, 1, 8, 40)))
    if kind == 3:
        return rng.choice((None, True, False))
    if kind == 4:
        return rng.choice((0.5, -1.0, float("nan"), float("inf"), 1e308))
    if kind == 5:
        return ExtType(rng.choice(CODES) & 0x7F, rng.randbytes(rng.choice((0, 1, 2, 8, 16, 17))))
    if kind == 6:
        return ExtType(6, rng.choice((b"1E+99999999", b"NaN", b"sNaN", b"1", b"-0", b"x")))
    return rng.randrange(-50, 300)


def grown(rng: Random, depth: int = 4) -> Any:
    """A tree out of the grammar."""
    kind = rng.randrange(6) if depth else 0
    if kind <= 1:
        return leaf(rng)
    size = rng.choice((0, 1, 2, 3, 5))
    if kind == 2:
        return [grown(rng, depth - 1) for _ in range(size)]
    if kind == 3:
        return {rng.choice(WORDS): grown(rng, depth - 1) for _ in range(size)}
    if kind == 4:
        return Opened(32, [rng.choice(TAGS), {rng.choice(WORDS): grown(rng, depth - 1) for _ in range(size)}])
    return Opened(rng.choice(CODES) & 0x7F, grown(rng, depth - 1))


# -- of trees --------------------------------------------------------------------------------------


def _replace(rng: Random, place: Any, _donors: Sequence[bytes]) -> None:
    put(place, grown(rng, rng.randrange(3)))


def _splice(rng: Random, place: Any, donors: Sequence[bytes]) -> None:
    donor = parse(rng.choice(donors))
    found = places(donor)
    put(place, at(rng.choice(found)) if found else donor)


def _nest(rng: Random, place: Any, _donors: Sequence[bytes]) -> None:
    value = at(place)
    for _ in range(rng.choice((1, 1, 2, 70, 600))):
        value = [value] if rng.random() < 0.5 else Opened(rng.choice((1, 2, 33, 32)), [value])
        if rng.random() < 0.02:
            break
    put(place, value)


def _resize(rng: Random, place: Any, _donors: Sequence[bytes]) -> None:
    value = at(place)
    if type(value) is list and value:
        cut = rng.randrange(len(value) + 1)
        put(place, rng.choice((value[:cut], value[cut:], value + value, value * 20, [*value, leaf(rng)])))
    elif type(value) is dict:
        put(place, rng.choice(({}, list(value.items()), {**value, rng.choice(WORDS): leaf(rng)}, list(value))))
    elif type(value) is str:
        put(
            place,
            rng.choice((value[:-1], value * 3, value + "\ud800", value.encode("utf-8", "surrogatepass"), [value])),
        )
    elif type(value) is int:
        put(place, rng.choice((value + 1, value - 1, -value, bool(value), float(value), str(value))))
    else:
        put(place, leaf(rng))


def _recode(rng: Random, place: Any, _donors: Sequence[bytes]) -> None:
    value = at(place)
    if type(value) is Opened:
        value.code = rng.choice(CODES) & 0x7F
    elif type(value) is bytes:
        put(place, ExtType(rng.choice(CODES) & 0x7F, value))
    else:
        put(place, Opened(rng.choice(CODES) & 0x7F, value))


def _swap(rng: Random, place: Any, donors: Sequence[bytes]) -> None:
    """Something of the same type from elsewhere: it passes the checks of types, and means something else."""
    donor = parse(rng.choice(donors))
    alike = [value for value in map(at, places(donor)) if type(value) is type(at(place))]
    if alike:
        put(place, rng.choice(alike))


def _step(rng: Random, place: Any, _donors: Sequence[bytes]) -> None:
    value = at(place)
    if type(value) is int:
        put(place, value + rng.choice((-1, 1, 2, 1000)))
    elif type(value) is list and len(value) > 1:
        put(place, rng.choice((value[::-1], value[1:], [*value, value[0]])))


TREE_MUTATIONS: list[Callable[[Random, Any, Sequence[bytes]], None]] = [
    *(_replace, _splice, _nest, _resize, _recode),
    *(_swap, _swap, _swap, _step, _step),
]


def of_trees(rng: Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """`data` with one place, or a few, holding something else. Well-formed msgpack."""
    tree = parse(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        found = places(tree)
        if found:
            rng.choice(TREE_MUTATIONS)(rng, rng.choice(found), donors)
    try:
        return write(tree)
    except (ValueError, OverflowError, TypeError, RecursionError):  # deeper than msgpack writes, unhashable: bytes then
        return of_bytes(rng, data, donors)


# -- of bytes --------------------------------------------------------------------------------------

_HEADS = bytes([0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xC0, 0xC1, 0xC4, 0xC6, 0xC7, 0xC9, 0xCB, 0xCF, 0xD4, 0xD8, 0xD9, 0xDB])
_HEADS += bytes([0xDC, 0xDD, 0xDE, 0xDF, 0xFF, 0x00, 0x7F])


def of_bytes(rng: Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """`data` with bytes flipped, cut out, doubled, or taken from another frame."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        pos = rng.randrange(len(out) + 1)
        kind = rng.randrange(8)
        if kind == 0 and out:
            out[pos - 1] ^= 1 << rng.randrange(8)
        elif kind == 1 and out:
            out[pos - 1] = rng.choice(_HEADS)
        elif kind == 2:
            out[pos:pos] = rng.randbytes(rng.choice((1, 2, 4)))
        elif kind == 3:
            del out[pos : pos + rng.choice((1, 2, 8, 1000))]
        elif kind == 4:
            end = pos + rng.choice((1, 4, 16, 200))
            out[pos:pos] = out[pos:end]
        elif kind == 5:
            other = rng.choice(donors)
            start = rng.randrange(len(other) + 1)
            out[pos : pos + rng.randrange(20)] = other[start : start + rng.choice((1, 4, 30))]
        elif kind == 6:
            out[pos:pos] = bytes([rng.choice((0xDD, 0xDF, 0xC6, 0xDB, 0xC9))]) + struct.pack(
                ">I", rng.choice((0, 1, 255, 2**16, 2**20, 2**20 + 1, 2**32 - 1))
            )
        else:
            del out[pos:]
    return bytes(out)


def frame(rng: Random, samples: Sequence[bytes]) -> bytes:
    """One frame."""
    kind = rng.random()
    if kind < 0.7:
        return of_trees(rng, rng.choice(samples), samples)
    if kind < 0.9:
        return of_bytes(rng, rng.choice(samples), samples)
    if kind < 0.98:
        try:
            return write(rng.choice((grown(rng), [1, grown(rng)], [1, [rng.choice(NUMBERS), *grown_list(rng)]])))
        except (ValueError, OverflowError, TypeError):
            return b"\xc1"
    if kind < 0.99:
        return rng.randbytes(rng.randrange(64))
    return rng.choice(samples)


def grown_list(rng: Random) -> list[Any]:
    """What stands behind a message code."""
    return [grown(rng, 2) for _ in range(rng.randrange(12))]
