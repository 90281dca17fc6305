"""Classes, values and comparisons that the codec tests share."""

from __future__ import annotations

import enum
import math
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, PrivateAttr

from drumline_graph.types import Command, Interrupt, Overwrite, Send
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable


@dataclass
class Point:
    x: int
    y: Any = 0
    tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.x += 0 if isinstance(self.x, int) else 1


@dataclass(frozen=True, slots=True)
class Frozen:
    name: str
    inner: Any = None


class Pair(NamedTuple):
    left: Any
    right: Any = 7


class Color(enum.Enum):
    RED = "red"
    ALIAS = "red"
    BLUE = ("b", 1)


class Level(enum.IntEnum):
    LOW = 1


class Word(str, enum.Enum):
    HI = "hi"


class Bits(enum.Flag):
    A = 1
    B = 2


class Model(BaseModel):
    a: int
    b: list[Any] = []
    c: dict[str, Any] = {"k": 1}
    d: Any = None


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int = 1
    _secret: int = PrivateAttr(default=3)


CLASSES = [Point, Frozen, Pair, Color, Level, Word, Bits, Model, Loose]
CODEC = Codec(TypeTable().with_types(CLASSES))


def exactly(a: Any, b: Any) -> bool:
    """Equal, and of the same types all the way down; NaN equals NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return len(a) == len(b) and all(
            exactly(k, m) and exactly(v, w) for (k, v), (m, w) in zip(a.items(), b.items(), strict=True)
        )
    if isinstance(a, (list, tuple, deque)):
        return len(a) == len(b) and all(map(exactly, a, b))
    if isinstance(a, float) and math.isnan(a):
        return math.isnan(b)
    if isinstance(a, Decimal):
        return a.as_tuple() == b.as_tuple()
    if isinstance(a, complex):
        return repr(a) == repr(b)
    return bool(a == b)


zones = st.one_of(
    st.none(),
    st.just(timezone.utc),
    st.builds(lambda s: timezone(timedelta(seconds=s)), st.integers(-24 * 3600 + 1, 24 * 3600 - 1)),
    st.sampled_from([ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")]),
)
texts = st.text(st.characters(codec=None), max_size=20)
hashable = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**200), 2**200),
        st.floats(),
        texts,
        st.binary(max_size=20),
        st.decimals(allow_nan=False),
        st.uuids(),
        st.dates(),
        st.times(timezones=st.one_of(st.none(), st.just(timezone.utc))),
        st.datetimes(timezones=zones),
        st.timedeltas(),
        st.complex_numbers(),
        st.sampled_from([*Color, *Level, *Word, Bits.A, Bits.A | Bits.B, Bits(0)]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(tuple),
        st.frozensets(inner, max_size=4),
        st.builds(Frozen, st.text(), inner),
        st.builds(Pair, inner, inner),
    ),
    max_leaves=6,
)
values = st.recursive(
    hashable,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(hashable, inner, max_size=4),
        st.sets(hashable, max_size=4),
        st.builds(lambda items, n: deque(items, n), st.lists(inner), st.none() | st.integers(9, 20)),
        st.builds(Point, st.integers(), inner, st.lists(st.text(), max_size=2)),
        st.builds(Model, a=st.integers(), b=st.lists(inner, max_size=3), d=inner),
        st.builds(Send, st.text(), inner),
        st.builds(Command, update=inner, goto=st.just("next")),
        st.builds(Overwrite, inner),
        st.builds(Interrupt, inner, st.text()),
    ),
    max_leaves=12,
)
