"""What a node may return, and what `updates` and `tasks` make of it: docs/semantics.md §1.3, §1.6, §3.7."""

import dataclasses
from collections import OrderedDict
from typing import Any

import pydantic
import pytest

from .engines import Engine
from .harness import ALL_MODES, same
from .states import Log, chain, says


@dataclasses.dataclass
class Point:
    log: list
    x: int | None = None
    other: str = "not a key"


class Model(pydantic.BaseModel):
    log: list
    x: int | None = None
    y: str = "default"


class Annotated_:
    log: list
    x: int

    def __init__(self) -> None:
        self.log, self.x = ["annotated"], 7


RESULTS = {
    "dict": lambda _: {"log": ["n"], "x": 1},
    "dict in another key order": lambda _: {"x": 1, "log": ["n"]},
    "ordered dict": lambda _: OrderedDict(log=["n"]),
    "dict with unknown keys": lambda _: {"zz": 1, "log": ["n"], "__x": 2},
    "dict with None": lambda _: {"x": None},
    "none": lambda _: None,
    "empty dict": lambda _: {},
    "only unknown keys": lambda _: {"zz": 1},
    "empty list": lambda _: [],
    "empty tuple": lambda _: (),
    "send": lambda e: e.Send("w", {"log": ["sent"], "x": 5}),
    "goto": lambda e: e.Command(goto="w"),
    "goto list": lambda e: e.Command(goto=["w", "v"]),
    "goto tuple": lambda e: e.Command(goto=("w", "v")),
    "goto END": lambda e: e.Command(update={"log": ["n"]}, goto=e.END),
    "goto twice the same": lambda e: e.Command(goto=["w", "w"]),
    "goto the next node": lambda e: e.Command(goto="n2"),
    "goto Send and name": lambda e: e.Command(goto=[e.Send("w", {"x": 3}), "v"]),
    "goto sends": lambda e: e.Command(goto=[e.Send("w", {"x": i}) for i in range(3)]),
    "empty command": lambda e: e.Command(),
    "command": lambda e: e.Command(update={"log": ["n"], "x": 1}, goto="w"),
    "command with unknown keys": lambda e: e.Command(update={"zz": 1}),
    "command with empty update": lambda e: e.Command(update={}),
    "command with pairs": lambda e: e.Command(update=[("log", ["1"]), ("x", 2)]),
    "command with pairs twice": lambda e: e.Command(update=[("log", ["1"]), ("log", ["2"])]),
    "command with pairs, unknown": lambda e: e.Command(update=[("zz", 1), ("log", ["2"])]),
    "command with dataclass": lambda e: e.Command(update=Point(["p"])),
    "commands": lambda e: [e.Command(update={"log": ["1"]}), e.Command(update={"x": 2})],
    "commands, one key twice": lambda e: [
        e.Command(update={"log": ["1"]}),
        e.Command(update={"x": 2}, goto="w"),
        e.Command(update={"log": ["2"]}, goto="v"),
    ],
    "commands as tuple": lambda e: (e.Command(update={"log": ["1"]}), e.Command(goto="w")),
    "dict and command": lambda e: [{"log": ["1"]}, e.Command(update={"x": 2}, goto="w")],
    "command and dict": lambda e: [e.Command(goto="w"), {"log": ["1"]}],
    "command and None": lambda e: [e.Command(goto="w"), None],
    "overwrite": lambda e: {"log": e.Overwrite(["over"])},
    "overwrite as dict": lambda _: {"log": {"__overwrite__": ["over"]}},
    "overwrite with type": lambda _: {"log": {"value": ["over"], "type": "__overwrite__"}},
    "overwrite of a plain key": lambda e: {"x": e.Overwrite(4)},
    "overwrite between": lambda e: e.Command(
        update=[("log", ["before"]), ("log", e.Overwrite(["over"])), ("log", ["after"])]
    ),
    "overwrite twice": lambda e: e.Command(update=[("log", e.Overwrite(["1"])), ("log", e.Overwrite(["2"]))]),
    "plain key twice": lambda e: e.Command(update=[("x", 1), ("x", 2)]),
    "dataclass": lambda _: Point(["p"]),
    "pydantic": lambda _: Model(log=["m"]),
    "pydantic with None": lambda _: Model(log=["m"], x=None),
    "pydantic with set default": lambda _: Model(log=["m"], y="default"),
    "annotated class": lambda _: Annotated_(),
    # errors
    "list of dicts": lambda _: [{"log": ["1"]}, {"log": ["2"]}],
    "list of sends": lambda e: [e.Send("w", {"x": 1})],
    "string": lambda _: "w",
    "number": lambda _: 3,
    "false": lambda _: False,
    "zero": lambda _: 0,
    "empty string": lambda _: "",
    "set": lambda _: {"log"},
    "object": lambda _: object(),
    "list of strings": lambda _: ["w"],
    "wrong write": lambda _: {"log": 3},
}


def build_for(kind: str) -> Any:
    def build(e: Engine) -> Any:
        def node(_: Any, writer: e.StreamWriter) -> Any:
            writer({"lane": "n1"})
            return RESULTS[kind](e)

        return (
            e.StateGraph(Log)
            .add_node("n1", node)
            .add_node("n2", says("n2"))
            .add_node("v", says("v"))
            .add_node("w", lambda s: {"log": [f"w {sorted(s)}"]})
            .add_edge(e.START, "n1")
            .add_edge("n1", "n2")
            .compile()
        )

    return build


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("kind", RESULTS)
def test_node_result(other: Engine, kind: str, use_async: bool) -> None:
    same(build_for(kind), other, {"log": ["i"]}, words=False, use_async=use_async)


@pytest.mark.parametrize("kind", RESULTS)
def test_node_result_with_output_keys(other: Engine, kind: str) -> None:
    for keys in (["x"], ["log", "y"], "log"):
        same(build_for(kind), other, {"log": ["i"]}, words=False, output_keys=keys)


@pytest.mark.parametrize("kind", ["dict", "commands, one key twice", "string", "goto sends"])
def test_node_result_without_live_modes(other: Engine, kind: str) -> None:
    for modes in (["updates", "tasks"], ["values", "tasks"], ["tasks"]):
        same(build_for(kind), other, {"log": ["i"]}, modes, words=False, subgraphs=False)


def test_payload_tables(other: Engine) -> None:
    """The rows of §1.3 and §1.6 that the specification spells out."""
    stream = same(build_for("commands, one key twice"), other, {"log": ["i"]})
    assert stream.payloads("updates")[0] == {"n1": [{"log": ["1"]}, {"x": 2}, {"log": ["2"]}]}
    results = [p["result"] for p in stream.payloads("tasks") if "result" in p]
    assert results[0] == {"log": {"$writes": [["1"], ["2"]]}, "x": 2}
    for kind in ("none", "goto", "send", "only unknown keys", "empty dict"):
        stream = same(build_for(kind), other, {"log": ["i"]})
        assert stream.payloads("updates")[0] == {"n1": None}, kind
    stream = same(build_for("overwrite"), other, {"log": ["i"]})
    (over,) = stream.payloads("updates")[0]["n1"].values()
    assert type(over).__name__ == "Overwrite"


@pytest.mark.parametrize("name", ["dict", "dataclass", "pydantic"])
def test_graph_input_as_object(other: Engine, name: str) -> None:
    made = {
        "dict": {"log": ["i"], "zz": 1},
        "dataclass": Point(["i"]),
        "pydantic": Model(log=["i"]),
    }
    same(lambda e: chain(e, says("n")), other, made[name], exact=True)


INPUTS = {
    "none": lambda _: None,
    "string": lambda _: "text",
    "number": lambda _: 5,
    "pairs": lambda _: [("log", ["x"])],
    "list of numbers": lambda _: [1],
    "empty list": lambda _: [],
    "empty string": lambda _: "",
    "zero": lambda _: 0,
    "false": lambda _: False,
    "set": lambda _: {"log"},
    "wrong type of a key": lambda _: {"log": 3},
    "overwrite": lambda e: {"log": e.Overwrite(["o"])},
    "unhashable": lambda _: {"log": [{}, [], set()]},
}


@pytest.mark.parametrize("name", INPUTS)
def test_graph_input(other: Engine, name: str) -> None:
    stream = same(lambda e: chain(e, says("n")), other, INPUTS[name], ALL_MODES, exact=True, words=False)
    if name == "none":
        assert type(stream.error).__name__ == "EmptyInputError"
    if name in ("string", "number", "pairs"):
        assert type(stream.error).__name__ == "InvalidUpdateError"


def test_two_writers_of_a_plain_key(other: Engine) -> None:
    def build(e: Engine) -> Any:
        builder = e.StateGraph(Log)
        for name in ("a", "b"):
            builder.add_node(name, lambda _, name=name: {"y": name}).add_edge(e.START, name)
        return builder.compile()

    stream = same(build, other, {"log": []})
    assert type(stream.error).__name__ == "InvalidUpdateError"
    assert len(stream.payloads("updates")) == 2


def test_two_overwrites_by_two_nodes(other: Engine) -> None:
    def build(e: Engine) -> Any:
        builder = e.StateGraph(Log)
        for name in ("a", "b"):
            builder.add_node(name, lambda _, name=name: {"log": e.Overwrite([name])})
            builder.add_edge(e.START, name)
        return builder.compile()

    stream = same(build, other, {"log": []})
    assert type(stream.error).__name__ == "InvalidUpdateError"


def test_overwrite_among_other_writers(other: Engine) -> None:
    def build(e: Engine) -> Any:
        builder = e.StateGraph(Log)
        results = {"a": ["a"], "b": e.Overwrite(["over"]), "c": ["c"]}
        for name, value in results.items():
            builder.add_node(name, lambda _, value=value: {"log": value}).add_edge(e.START, name)
        return builder.compile()

    stream = same(build, other, {"log": ["i"]})
    assert stream.payloads("values")[-1] == {"log": ["over"]}


def test_reducer_that_raises(other: Engine) -> None:
    """The exception of a reducer surfaces after the results of the step, before its `values`."""
    from typing import Annotated, TypedDict

    def add(left: int, right: int) -> int:
        if right == 3:
            raise ArithmeticError("three")
        return left + right

    class State(TypedDict):
        n: Annotated[int, add]

    def build(e: Engine) -> Any:
        return chain(e, lambda _: {"n": 1}, lambda _: {"n": 3}, lambda _: {"n": 1}, state=State)

    stream = same(build, other, {"n": 0}, exact=True)
    assert isinstance(stream.error, ArithmeticError)
    assert stream.items[-1].mode == "debug"
