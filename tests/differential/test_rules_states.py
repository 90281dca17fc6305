"""Schemas and channels: docs/semantics.md §3.1, §3.6."""

import dataclasses
import operator
from typing import Annotated, Any, Optional, TypedDict

import pydantic
import pytest

from .engines import LANGGRAPH, Engine
from .harness import assert_same, record, same, same_outcome
from .normal import wordless
from .states import EMPTY, Log, chain, fan, says

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])


class Model(pydantic.BaseModel):
    n: int
    log: Annotated[list[str], operator.add] = pydantic.Field(default_factory=list)
    tag: str = "default"


class Inner(pydantic.BaseModel):
    a: int = 1


class Nested(pydantic.BaseModel):
    inner: Inner = Inner()
    many: list[Inner] = pydantic.Field(default_factory=list)


@dataclasses.dataclass
class Data:
    n: int
    log: Annotated[list, operator.add] = dataclasses.field(default_factory=list)
    tag: str | None = None


def seen(state: Any, writer: Any) -> None:
    writer({"type": type(state).__name__, "state": state})


INPUTS: list[Any] = [
    {"n": 1},
    {"n": "2"},
    {"n": 3, "log": ["i"], "tag": "t"},
    {"n": 4, "zz": 1},
    Model(n=5),
    Model(n=6, tag="default"),
    Data(7),
    Data(8, ["i"], "t"),
]


@both_ways
@pytest.mark.parametrize("schema", [Model, Data])
@pytest.mark.parametrize("number", range(len(INPUTS)))
def test_schema_classes(other: Engine, schema: Any, number: int, use_async: bool) -> None:
    """Nodes see instances, streams see plain dicts of raw values."""

    def build(e: Engine) -> Any:
        def one(state: Any, writer: e.StreamWriter) -> Any:
            seen(state, writer)
            return {"n": state.n + 1, "log": ["one"]}

        def two(state: Any, writer: e.StreamWriter) -> Any:
            seen(state, writer)
            return type(state)(n=9, log=["two"])

        def three(state: Any, writer: e.StreamWriter) -> Any:
            seen(state, writer)
            return e.Command(update={"tag": "three"}, goto=e.Send("n4", {"n": "raw"}))

        builder = e.StateGraph(schema)
        for name, node in zip(("n1", "n2", "n3"), (one, two, three), strict=True):
            builder.add_node(name, node)
        builder.add_node("n4", lambda state: {"tag": f"{type(state).__name__} {state}"})
        builder.add_edge(e.START, "n1").add_edge("n1", "n2").add_edge("n2", "n3")

        def route(state: schema) -> str:  # type: ignore[valid-type]
            seen(state, e.get_stream_writer())
            return e.END

        return builder.add_conditional_edges("n2", route).compile()

    same(build, other, INPUTS[number], exact=True, use_async=use_async)


@pytest.mark.parametrize("input", [{}, {"n": "x"}, {"n": None}, {"log": 3, "n": 1}, {"tag": "t"}])
def test_pydantic_refuses_the_input(other: Engine, input: Any) -> None:
    stream = same(lambda e: chain(e, says("n"), state=Model), other, input, exact=True, words=False)
    assert isinstance(stream.error, (ValueError, TypeError))


def test_pydantic_refuses_what_a_node_wrote(other: Engine) -> None:
    """Only the next node's input is checked.

    LangGraph then loses the `values` of the step before.
    """

    def build(e: Engine) -> Any:
        return chain(e, lambda _: {"n": "not a number"}, says("2"), state=Model)

    expected = wordless(record(build(LANGGRAPH), {"n": 1}))
    found = wordless(record(build(other), {"n": 1}))
    assert isinstance(expected.error, ValueError)
    if found.items[-1].payload == {"n": "not a number", "log": []}:
        found.items.pop()
    assert_same(expected, found, other, exact=True)


def test_nested_models(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def one(state: Any, writer: e.StreamWriter) -> Any:
            seen(state, writer)
            return {"many": [{"a": 2}, Inner(a=3)]}

        return chain(e, one, lambda s, writer: seen(s, writer), state=Nested)

    same(build, other, {"inner": {"a": "5"}}, exact=True)
    same(build, other, Nested(inner=Inner(a=4)), exact=True)


# -- unkeyed states ------------------------------------------------------------------------------

ROOTS = {
    "list": (Annotated[list, operator.add], [1], lambda s: [len(s)]),
    "int": (int, 1, lambda s: s + 1),
    "str": (Annotated[str, operator.add], "a", lambda s: f"<{s}>"),
    "dict": (Annotated[dict, operator.or_], {"a": 1}, lambda s: {"n": len(s)}),
}


@both_ways
@pytest.mark.parametrize("kind", ROOTS)
def test_root_state(other: Engine, kind: str, use_async: bool) -> None:
    schema, input, step = ROOTS[kind]

    def build(e: Engine) -> Any:
        def node(state: Any, writer: e.StreamWriter) -> Any:
            writer({"saw": state})
            return step(state)

        return (
            e.StateGraph(schema)
            .add_node("n1", node)
            .add_node("n2", node)
            .add_node("n3", lambda _: None)
            .add_edge(e.START, "n1")
            .add_conditional_edges("n1", lambda s: "n2" if s else e.END, ["n2", e.END])
            .add_edge("n2", "n3")
            .compile()
        )

    same(build, other, input, exact=True, use_async=use_async)
    same_outcome(lambda e: build(e).invoke(input), other)


def test_root_state_with_commands_and_sends(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def one(_: Any) -> Any:
            return e.Command(update=["one"], goto=[e.Send("n2", "arg"), e.Send("n2", ["x"])])

        return (
            e.StateGraph(Annotated[list, operator.add])
            .add_node("n1", one)
            .add_node("n2", lambda s: [repr(s)])
            .add_edge(e.START, "n1")
            .compile()
        )

    same(build, other, ["i"])


# -- several schemas -----------------------------------------------------------------------------


class Full(TypedDict):
    question: str
    answer: str
    note: str


class Question(TypedDict):
    question: str


class Answer(TypedDict):
    answer: str


class Private(TypedDict):
    hidden: Annotated[list, operator.add]


def test_input_output_and_private_schemas(other: Engine) -> None:
    """`values` shows private keys too, `invoke` only the output schema."""

    def build(e: Engine) -> Any:
        def one(state: Question, writer: e.StreamWriter) -> Any:
            writer({"saw": state})
            return {"hidden": ["h"], "note": "n", "answer": "a"}

        def two(state: Private, writer: e.StreamWriter) -> Any:
            writer({"saw": state})
            return {"answer": state["hidden"][0], "question": "changed"}

        def three(state: Any, writer: e.StreamWriter) -> Any:
            writer({"saw": state})

        builder = e.StateGraph(Full, input_schema=Question, output_schema=Answer)
        builder.add_node("n1", one).add_node("n2", two)
        builder.add_node("n3", three, input_schema=Answer)
        builder.add_edge(e.START, "n1").add_edge("n1", "n2").add_edge("n2", "n3")
        return builder.compile()

    for input in ({"question": "q"}, {"question": "q", "note": "dropped"}, {"note": "dropped"}):
        same(build, other, input, exact=True)
        same_outcome(lambda e, input=input: build(e).invoke(input), other)  # type: ignore[misc]


def test_required_and_notrequired(other: Engine) -> None:
    from typing_extensions import NotRequired, Required

    class State(TypedDict, total=False):
        a: Required[int]
        b: NotRequired[Annotated[list, operator.add]]
        c: Annotated[NotRequired[list], operator.add]

    def build(e: Engine) -> Any:
        return chain(e, lambda s: {"b": ["b"], "c": [len(s)]}, state=State)

    same(build, other, {"a": 1}, exact=True)


def test_subclassed_states(other: Engine) -> None:
    class More(Log):
        extra: str

    def build(e: Engine) -> Any:
        return chain(e, lambda s: {"extra": str(sorted(s))}, says("2"), state=More)

    same(build, other, {"log": ["i"]}, exact=True)


# -- channels ------------------------------------------------------------------------------------


def channels_build(e: Engine, kind: str) -> Any:
    kinds = {
        "last": e.LastValue,
        "any": e.AnyValue,
        "ephemeral": e.EphemeralValue,
        "untracked": e.UntrackedValue,
        "topic": e.Topic,
    }

    class State(TypedDict):
        log: Annotated[list, operator.add]
        c: Annotated[Any, kinds[kind]]

    def node(name: str, value: Any) -> Any:
        def run(state: Any, writer: e.StreamWriter) -> Any:
            writer({"lane": name, "saw": dict(state)})
            return {"log": [name]} if value is None else {"log": [name], "c": value}

        return run

    builder = e.StateGraph(State)
    for name, value in {"a": None, "b": 2, "c": None, "d": [4, 5], "e": None}.items():
        builder.add_node(name, node(name, value))
    builder.add_edge(e.START, "a").add_edge("a", "b").add_edge("b", "c")
    return builder.add_edge("c", "d").add_edge("d", "e").compile()


@pytest.mark.parametrize("kind", ["last", "any", "ephemeral", "untracked", "topic"])
def test_channel_classes(other: Engine, kind: str) -> None:
    for input in (EMPTY, {"log": [], "c": 1}):
        same(lambda e: channels_build(e, kind), other, input, exact=True)


@pytest.mark.parametrize("kind", ["last", "any", "ephemeral", "untracked", "topic"])
def test_channel_classes_with_two_writers(other: Engine, kind: str) -> None:
    def build(e: Engine) -> Any:
        names = {"any": "AnyValue", "ephemeral": "EphemeralValue", "untracked": "UntrackedValue"}
        channel = getattr(e, names.get(kind, "Topic" if kind == "topic" else "LastValue"))

        class State(TypedDict):
            c: Annotated[Any, channel]

        return fan(e, State, a=lambda _: {"c": "same"}, b=lambda _: {"c": "same"})

    same(build, other, {"c": 0})


def test_channel_instances(other: Engine) -> None:
    def build(e: Engine) -> Any:
        class State(TypedDict):
            topic: Annotated[list, e.Topic(str, accumulate=True)]
            loose: Annotated[str, e.EphemeralValue(str, guard=False)]
            folded: Annotated[int, e.BinaryOperatorAggregate(int, operator.add)]

        results = [{"topic": name, "loose": name, "folded": 2} for name in "abc"]
        nodes = {r["topic"]: (lambda _, r=r: r) for r in results}
        builder = e.StateGraph(State)
        for name, node in nodes.items():
            builder.add_node(name, node).add_edge(e.START, name)
        builder.add_node("z", lambda s, writer: writer(dict(s))).add_edge(["a", "b", "c"], "z")
        return builder.compile()

    same(build, other, {"topic": ["i"]})


def test_delta_channel(other: Engine) -> None:
    def fold(state: list, writes: list) -> list:
        return state + [item for write in writes for item in write]

    def build(e: Engine) -> Any:
        class State(TypedDict):
            log: Annotated[list, e.DeltaChannel(fold)]

        builder = e.StateGraph(State)
        for name in "ab":
            builder.add_node(name, says(name)).add_edge(e.START, name)
        builder.add_node("over", lambda _: {"log": e.Overwrite(["o"])}).add_edge(["a", "b"], "over")
        return builder.compile()

    same(build, other, {"log": ["i"]})


def _declares(e: Engine, *schemas: Any) -> Any:
    builder = e.StateGraph(schemas[0], input_schema=schemas[1] if len(schemas) > 1 else None)
    return builder.add_node("n", lambda _: None).add_edge(e.START, "n").compile()


def test_conflicting_declarations(other: Engine) -> None:
    def first(a: Any, _b: Any) -> Any:
        return a

    class Plain(TypedDict):
        k: list

    class Added(TypedDict):
        k: Annotated[list, operator.add]

    class First(TypedDict):
        k: Annotated[list, first]

    class OneArgument(TypedDict):
        k: Annotated[list, len]

    class NoSignature(TypedDict):
        k: Annotated[int, max]

    class LambdaOne(TypedDict):
        k: Annotated[list, lambda a, b: a + b]

    class LambdaTwo(TypedDict):
        k: Annotated[list, lambda a, b: b + a]

    pairs = [
        (Plain, Added),
        (Added, Plain),
        (Added, First),
        (Added, Added),
        (LambdaOne, LambdaTwo),
        (LambdaOne, Added),
        (OneArgument,),
        (NoSignature,),
    ]
    for schemas in pairs:
        same_outcome(lambda e, s=schemas: type(_declares(e, *s)).__name__, other, words=False)  # type: ignore[misc]


def test_optional_reducer_without_a_first_value(other: Engine) -> None:
    def add(left: Any, right: Any) -> Any:
        return (left, right)

    class State(TypedDict):
        k: Annotated[Optional[int], add]  # noqa: UP045
        m: Annotated[int | None, add]

    def build(e: Engine) -> Any:
        return chain(e, lambda _: {"k": 1}, lambda _: {"k": 2, "m": 3}, state=State)

    same(build, other, {"k": 0}, exact=True)
    same(build, other, {"m": 0}, exact=True)
