"""`checkpoints` and `debug` of `version="v2"` show the state as an instance of its class, as LangGraph's do."""

import dataclasses
import operator
from typing import Annotated, Any

import pydantic
import pytest
from tests.differential.engines import ADAPTED, ADAPTED_STRICT, DRUMLINE, DRUMLINE_STRICT, LANGGRAPH, Engine
from typing_extensions import TypedDict

CONFIG: Any = {"configurable": {"thread_id": "1"}}


class Model(pydantic.BaseModel):
    word: str
    log: Annotated[list[str], operator.add] = []


class Other(pydantic.BaseModel):
    word: str
    more: int = 3


@dataclasses.dataclass
class Data:
    word: str
    log: Annotated[list[str], operator.add] = dataclasses.field(default_factory=list)


class Plain(TypedDict, total=False):
    word: str
    log: Annotated[list[str], operator.add]


class Wide(TypedDict):
    word: str
    beside: int


class Word(TypedDict):
    word: str


def says(_state: Any) -> Any:
    return {"word": "out", "log": ["n"]}


def states(e: Engine, schema: Any, **options: Any) -> list[Any]:
    """The states that the two modes show, with the mode and what is due next."""
    builder = e.StateGraph(schema, **options).add_node("n", says).add_edge(e.START, "n")
    return shown(e.runnable(builder.compile(checkpointer=e.InMemorySaver())), {"word": "in", "beside": 1})


def shown(graph: Any, input: Any) -> list[Any]:
    found = []
    modes = ["checkpoints", "debug"]
    for part in graph.stream(input, CONFIG, stream_mode=modes, version="v2", subgraphs=True):
        data = part["data"]
        if part["type"] == "debug":
            if data["type"] != "checkpoint":
                continue
            data = data["payload"]
        found.append((part["type"], len(part["ns"]), data["values"], data["next"]))
    return found


@pytest.mark.parametrize("engine", [DRUMLINE, DRUMLINE_STRICT, ADAPTED, ADAPTED_STRICT], ids=repr)
@pytest.mark.parametrize("schema", [Model, Data, Plain])
def test_the_state_is_of_its_class(engine: Engine, schema: Any) -> None:
    expected = states(LANGGRAPH, schema)
    assert states(engine, schema) == expected
    assert {type(values) for *_, values, due in expected if "__start__" not in due} == {
        dict if schema is Plain else schema
    }


def test_it_is_the_class_of_the_state_and_not_that_of_the_output() -> None:
    options = {"input_schema": Wide, "output_schema": Word}
    assert states(DRUMLINE, Model, **options) == states(LANGGRAPH, Model, **options)


def test_a_dataclass_is_given_the_keys_that_it_has() -> None:
    """LangGraph raises a TypeError for the key that only the input has."""
    assert states(DRUMLINE, Data, input_schema=Wide)[-1][2] == Data("out", ["n"])
    builder = DRUMLINE.StateGraph(Data, input_schema=Wide).add_node("n", says).add_edge(DRUMLINE.START, "n")
    parts = builder.compile().stream({"word": "in", "beside": 1}, stream_mode="values", version="v2")
    assert list(parts)[-1]["data"] == Data("out", ["n"])


def test_a_graph_within_is_of_its_own_class() -> None:
    """LangGraph makes instances of the outermost graph's class of it."""
    e = DRUMLINE
    child = e.StateGraph(Other).add_node("n", lambda _: {"word": "out"}).add_edge(e.START, "n").compile()
    builder = e.StateGraph(Model).add_node("child", child).add_edge(e.START, "child")
    found = shown(builder.compile(checkpointer=e.InMemorySaver()), {"word": "in"})
    within = [values for mode, depth, values, _due in found if depth and mode == "checkpoints"]
    assert within == [{}, Other(word="in"), Other(word="out")]
    assert found[-1][2] == Model(word="out")


@pytest.mark.parametrize("mode", ["checkpoints", "debug"])
def test_v1_shows_plain_dicts(mode: Any) -> None:
    for e in (LANGGRAPH, DRUMLINE):
        builder = e.StateGraph(Model).add_node("n", says).add_edge(e.START, "n")
        stream = builder.compile(checkpointer=e.InMemorySaver()).stream({"word": "in"}, CONFIG, stream_mode=mode)
        *_, last = stream
        assert type((last["payload"] if mode == "debug" else last)["values"]) is dict
