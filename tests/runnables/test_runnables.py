"""A graph is a Runnable of LangChain's: what works with LangGraph's works with drumline's, also on a cluster."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Optional, Union

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
)
from tests.differential.engines import DRUMLINE, LANGGRAPH, Engine
from tests.inside import Inside
from tests.runnables.graphs import State, failing, small
from tests.servers import local_server
from typing_extensions import NotRequired, TypedDict

from drumline import Cluster
from drumline.graph import START, StateGraph
from drumline.langgraph import adapt

into = RunnableLambda(lambda n: {"xs": [n]}, name="into")
out = RunnableLambda(lambda state: state["xs"], name="out")


async def _listed(items: Any) -> list[Any]:
    return [item async for item in items]


def _as_tool(graph: Any) -> Any:
    tool = graph.as_tool(name="small", description="adds an a", arg_types={"xs": list})
    return tool.invoke({"xs": [1]}), tool.name


def _retried(graph: Any) -> Any:
    failing.append("once")
    return graph.with_retry(stop_after_attempt=2, wait_exponential_jitter=False).invoke({"xs": [1]})


def _fallen_back(graph: Any) -> Any:
    failing.append("once")
    return graph.with_fallbacks([graph], exceptions_to_handle=(Exception,)).invoke({"xs": [1]})


def _heard(graph: Any) -> Any:
    told: list[str] = []
    listened = graph.with_listeners(
        on_start=lambda run: told.append(f"start {run.name}"), on_end=lambda run: told.append(f"end {run.name}")
    )
    return listened.invoke({"xs": [1]}), told


def _events(graph: Any) -> Any:
    found = asyncio.run(_listed((into | graph).astream_events(1, version="v2")))
    return [(event["event"], event["name"]) for event in found if event["name"] not in ("a", "out")]


def _in_a_langgraph(graph: Any) -> Any:
    builder = LANGGRAPH.StateGraph(State)
    builder.add_node("before", lambda _: {"xs": ["before"]})
    builder.add_node("sub", graph)
    builder.add_edge(LANGGRAPH.START, "before")
    builder.add_edge("before", "sub")
    compiled = builder.compile()
    return (
        compiled.invoke({"xs": [0]}),
        list(compiled.stream({"xs": [0]}, stream_mode="updates")),
        asyncio.run(compiled.ainvoke({"xs": [0]})),
    )


def _in_drumlines(graph: Any) -> Any:
    builder = DRUMLINE.StateGraph(State)
    builder.add_node("chain", into | graph)
    builder.add_edge(DRUMLINE.START, "chain")
    return builder.compile().invoke({"xs": [0]})


USES: dict[str, Callable[[Any], Any]] = {
    "is a Runnable": lambda g: isinstance(g, Runnable),
    "before and behind": lambda g: (into | g | out).invoke(1),
    "behind a passthrough": lambda g: (RunnablePassthrough() | g).invoke({}),
    "before a function": lambda g: (g | (lambda state: len(state["xs"]))).invoke({"xs": [1]}),
    "behind a dict": lambda g: ({"xs": RunnableLambda(lambda n: [n])} | g).invoke(2),
    "before a dict": lambda g: (g | {"n": lambda state: len(state["xs"])}).invoke({"xs": [1]}),
    "in a dict": lambda g: (RunnablePassthrough() | {"one": g, "two": g}).invoke({"xs": [1]}),  # type: ignore[arg-type]
    "behind a prompt": lambda g: (
        ChatPromptTemplate.from_template("{q}") | (lambda p: {"xs": [p.to_messages()[0].content]}) | g
    ).invoke({"q": "hi"}),
    "before a parser": lambda g: (g | (lambda state: str(state["xs"][0])) | StrOutputParser()).invoke({"xs": ["x"]}),
    "in parallel": lambda g: RunnableParallel(one=g, two=into | g | out).invoke({"xs": []}).keys() and None,
    "returned by a function": lambda g: RunnableLambda(lambda _: g).invoke({"xs": [1]}),
    "in a branch": lambda g: RunnableBranch((lambda _: True, g), into).invoke({"xs": [1]}),
    "pipe": lambda g: g.pipe(out, len).invoke({"xs": [1]}),
    "pick": lambda g: g.pick("xs").invoke({"xs": [1]}),
    "assign": lambda g: g.assign(n=lambda state: len(state["xs"])).invoke({"xs": [1]}),
    "bind": lambda g: g.bind(stream_mode="updates").invoke({"xs": [1]}),
    "map": lambda g: g.map().invoke([{"xs": [1]}, {"xs": [2]}]),
    "with_config": lambda g: (into | g.with_config(tags=["t"]) | out).invoke(1),
    "with_types": lambda g: g.with_types(input_type=dict, output_type=dict).invoke({"xs": [1]}),
    "with_retry": _retried,
    "with_fallbacks": _fallen_back,
    "with_listeners": _heard,
    "as_tool": _as_tool,
    "batch": lambda g: (into | g | out).batch([1, 2], {"max_concurrency": 1}),
    "own batch": lambda g: g.batch([{"xs": [1]}, {"xs": [2]}]),
    "abatch": lambda g: asyncio.run((into | g | out).abatch([1, 2])),
    "batch_as_completed": lambda g: sorted((into | g | out).batch_as_completed([1, 2])),
    "own batch_as_completed": lambda g: sorted(g.batch_as_completed([{"xs": [1]}, {"xs": [2]}])),
    "abatch_as_completed": lambda g: sorted(asyncio.run(_listed(g.abatch_as_completed([{"xs": [1]}, {"xs": [2]}])))),
    "ainvoke": lambda g: asyncio.run((into | g | out).ainvoke(1)),
    "stream": lambda g: list((into | g).stream(1)),
    "astream": lambda g: asyncio.run(_listed((into | g).astream(1))),
    "transform": lambda g: list(g.transform(iter([{"xs": [1]}]))),
    "atransform": lambda g: asyncio.run(_listed((into | g).astream(1))),
    "astream_events": _events,
    "a node of LangGraph's": _in_a_langgraph,
    "a node of drumline's": _in_drumlines,
    "get_name": lambda g: (g.get_name(), g.get_name("Input"), g.get_name(name="Other", suffix="output")),
    "get_prompts": lambda g: (ChatPromptTemplate.from_template("{q}") | g).get_prompts(),
    "config_specs": lambda g: [spec.id for spec in g.config_specs],
}


@pytest.fixture(scope="module")
def served() -> Iterator[Any]:
    """The graph on a cluster, known by its name alone."""
    with local_server() as server, Inside(server.url, {"small": small(DRUMLINE)}) as inside:
        inside.coordinator()
        inside.worker()
        yield inside.client().graph("small")


def result(use: Callable[[Any], Any], graph: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangChain's: beta, deprecated
        return use(graph)


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_embedded(use: Callable[[Any], Any]) -> None:
    expected = result(use, small(LANGGRAPH))
    assert result(use, small(DRUMLINE)) == expected
    assert result(use, adapt(small(LANGGRAPH))) == expected


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_on_a_cluster(use: Callable[[Any], Any], served: Any) -> None:
    assert result(use, served) == result(use, small(LANGGRAPH))


@pytest.mark.parametrize("build", [small(DRUMLINE), adapt(small(LANGGRAPH))], ids=["drumline", "adapted"])
def test_schemas(build: Any) -> None:
    theirs = small(LANGGRAPH)
    for name in ("get_input_jsonschema", "get_output_jsonschema", "get_name"):
        assert getattr(build, name)() == getattr(theirs, name)()
    assert build.InputType is theirs.InputType
    assert build.get_output_schema().model_json_schema() == theirs.get_output_schema().model_json_schema()


def test_the_input_as_a_class_has_the_fields_of_the_state() -> None:
    model = small(DRUMLINE).input_schema
    assert model.__name__ == "small_input"
    assert model(xs=[1]).model_dump() == {"xs": [1], "fails": None}
    assert small(DRUMLINE).as_tool(name="small", description="adds an a").args.keys() == {"xs", "fails"}


class Strict(TypedDict):
    must: str
    may: NotRequired[int]


def test_a_graph_that_is_elsewhere_has_the_json_schemas_of_the_one_at_hand() -> None:
    graph = StateGraph(Strict).add_node("n", lambda _: None).add_edge(START, "n").compile()
    remote = Cluster("redis://nowhere:1").graph("strict", graph=graph)
    assert remote.get_input_jsonschema() == graph.get_input_jsonschema()
    assert remote.get_output_jsonschema() == graph.get_output_jsonschema()
    assert remote.get_input_jsonschema()["required"] == ["must"]
    assert "properties" not in Cluster("redis://nowhere:1").graph("strict").get_input_jsonschema()


def test_the_schema_of_a_typed_dict_of_the_standard_library() -> None:
    from typing import TypedDict

    class Plain(TypedDict):
        """What is plain."""

        n: int

    builder = DRUMLINE.StateGraph(Plain)
    builder.add_node("a", lambda _: {"n": 1})
    builder.add_edge(DRUMLINE.START, "a")
    schema = builder.compile().get_input_jsonschema()
    assert schema["properties"]["n"]["type"] == "integer" and schema["required"] == ["n"]


@dataclass
class Fields:
    must: str
    given: Any
    none: int | None
    old: Optional[int]  # noqa: UP045 - the older form
    within: Annotated[float | None, "told"]
    deeper: Union[int, Annotated[str | None, "told"]]  # noqa: UP007 - the older form
    value: str = "x"
    made: list[int] = field(default_factory=lambda: [1])


def test_fields_that_take_none_may_be_left_out() -> None:
    def build(e: Engine) -> Any:
        return e.StateGraph(Fields).add_node("n", lambda _: None).add_edge(e.START, "n").compile()

    ours, theirs = build(DRUMLINE), build(LANGGRAPH)
    assert ours.get_input_jsonschema() == theirs.get_input_jsonschema()
    assert ours.get_output_jsonschema() == theirs.get_output_jsonschema()
    assert ours.get_input_jsonschema()["required"] == ["must", "given"]


def test_a_chain_draws_the_graph_in_it() -> None:
    ours, theirs = (into | small(DRUMLINE) | out).get_graph(), (into | small(LANGGRAPH) | out).get_graph()
    assert ours.draw_mermaid() == theirs.draw_mermaid()
    assert "a(a)" in ours.draw_mermaid()


def test_a_chain_draws_a_graph_that_is_elsewhere(served: Any) -> None:
    assert "small" in (into | served | out).get_graph().draw_mermaid()


def test_a_graph_is_named_anew() -> None:
    graph = small(DRUMLINE)
    copied = graph.with_config(tags=["t"])
    graph.name = "other"
    assert (graph.name, graph.get_name(), copied.name) == ("other", "other", "small")
    events = asyncio.run(_listed(graph.astream_events({"xs": []}, version="v2")))
    assert events[0]["name"] == "other"
    assert isinstance(into | graph, RunnableSequence)


def test_with_config_on_a_cluster(served: Any) -> None:
    bound = served.with_config(run_name="asked", tags=["t"])
    assert bound.invoke({"xs": [1]}) == served.invoke({"xs": [1]})
    assert (bound.config, served.config) == ({"run_name": "asked", "tags": ["t"]}, {})


def test_what_is_nobodys_is_said() -> None:
    with pytest.raises(AttributeError, match="'CompiledStateGraph' object has no attribute 'nonsense'"):
        small(DRUMLINE).nonsense  # noqa: B018
    with pytest.raises(TypeError):
        small(DRUMLINE) | 1
