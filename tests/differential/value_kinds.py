"""One value of every kind that people keep in a state, and a graph that carries them from node to node."""

import ipaddress
import operator
import pathlib
import re
import types
from collections import Counter, OrderedDict, UserDict, defaultdict, deque
from fractions import Fraction
from typing import Annotated, Any, TypedDict

import numpy as np
import pandas as pd
from pydantic import HttpUrl, PostgresDsn, SecretBytes, SecretStr


def array() -> Any:
    return np.arange(4).reshape(2, 2)


def table() -> Any:
    frame = pd.DataFrame({"a": [1, None], "t": pd.to_datetime(["2020", None])}, index=pd.Index(["x", "y"], name="k"))
    frame.attrs["unit"] = "km"
    return frame


KINDS: dict[str, Any] = {
    "array": array,
    "no array": lambda: np.array([]),
    "records": lambda: np.zeros(2, [("a", "<i4"), ("t", "<M8[D]")]),
    "scalar": lambda: np.float64(1.5),
    "false": lambda: np.bool_(False),
    "table": table,
    "no table": pd.DataFrame,
    "series": lambda: table()["a"],
    "index": lambda: pd.date_range("2020", periods=2, freq="D", tz="UTC"),
    "missing": lambda: pd.NA,
    "moment": lambda: pd.Timestamp("2020-01-01", tz="UTC"),
    "ordered": lambda: OrderedDict(b=1, a=2),
    "default": lambda: defaultdict(list, a=[1]),
    "counter": lambda: Counter("abca"),
    "user's dict": lambda: UserDict(a=1),
    "deque": lambda: deque([1], 2),
    "namespace": lambda: types.SimpleNamespace(a=array()),
    "path": lambda: pathlib.PurePosixPath("/a"),
    "pattern": lambda: re.compile("a+", re.IGNORECASE),
    "address": lambda: ipaddress.ip_network("10.0.0.0/8"),
    "fraction": lambda: Fraction(1, 3),
    "secret": lambda: SecretStr("hunter2"),
    "secret bytes": lambda: SecretBytes(b"hunter2"),
    "url": lambda: HttpUrl("https://a.b/c"),
    "hosts": lambda: PostgresDsn("postgresql://u:p@h1:1,h2:2/db"),
    "error": lambda: ValueError("x", 1),
    "bytearray": lambda: bytearray(b"x"),
    "class": lambda: int,
    "slice": lambda: slice(1, 2),
    "dots": lambda: ...,
}


class MyStr(str):
    """A subclass of a builtin type that the state names."""


class Carried(TypedDict, total=False):
    values: dict[str, Any]
    mine: MyStr
    all: Annotated[list, operator.add]
    seen: Annotated[list, operator.add]


def carrying(e: Any) -> Any:
    """`make` and `take` run in two pools; each says what it sees, and each event holds all of it."""

    def make(_: Any, writer: e.StreamWriter) -> Any:
        values = {name: kind() for name, kind in KINDS.items()}
        writer(values)
        return {"values": values, "mine": MyStr("x"), "all": list(values.values()), "seen": ["made"]}

    def take(state: Any, writer: e.StreamWriter) -> Any:
        writer(state["values"])
        seen = [f"{type(value).__name__} {value!r}" for value in state["values"].values()]
        return {"seen": [*seen, type(state["mine"]).__name__], "all": [state["mine"]]}

    def route(state: Any) -> Any:
        return [e.Send("sent", {"values": state["values"], "all": [name]}) for name in sorted(state["values"])]

    def sent(given: Any) -> Any:
        (name,) = given["all"]
        value = given["values"][name]
        return {"seen": [f"{name}: {type(value).__name__} {value!r}"]}

    builder = e.StateGraph(Carried)
    builder.add_node("make", make, metadata={"pool": "left"})
    builder.add_node("take", take, metadata={"pool": "right"})
    builder.add_node("sent", sent, metadata={"pool": "left"})
    builder.add_edge(e.START, "make")
    builder.add_edge("make", "take")
    builder.add_conditional_edges("take", route, ["sent"])
    return builder.compile()
