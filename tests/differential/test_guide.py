"""Every example of the streaming guide: the output that the guide prints, and LangGraph's stream in
every mode.
"""

from collections.abc import Callable
from typing import Any, TypedDict

import pytest

from . import guide_graphs
from .engines import Engine
from .guide_graphs import ASYNC_ONLY, EXAMPLES, INPUTS
from .harness import ALL_MODES, raw, record, same
from .normal import UUID

Chunks = Callable[..., list[Any]]
JOKE = "This is a joke about ice cream and cats"


@pytest.fixture(autouse=True)
def strict_wire(other: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples call compile() themselves, so strictness comes from the environment."""
    if other.strict:
        monkeypatch.setenv("DRUMLINE_STRICT_WIRE", "1")


@pytest.fixture(params=["sync", "async"])
def chunks(other: Engine, request: pytest.FixtureRequest) -> Chunks:
    """`chunks(name, **options)`: what the guide's `for` (or `async for`) loop sees."""

    def run(name: str, **options: Any) -> list[Any]:
        if request.param == "sync" and name in ASYNC_ONLY and other.root == "langgraph":
            pytest.skip("LangGraph cannot run async nodes under stream()")
        compiled = guide_graphs.graph(other, name)
        items, error = raw(compiled, INPUTS[name], use_async=request.param == "async", **options)
        assert error is None
        return items

    return run


# -- what the guide prints ------------------------------------------------------------------------


def test_values(chunks: Chunks) -> None:
    assert chunks("basic", stream_mode="values") == [
        {"topic": "ice cream"},
        {"topic": "ice cream and cats"},
        {"topic": "ice cream and cats", "joke": JOKE},
    ]


def test_updates(chunks: Chunks) -> None:
    assert chunks("basic", stream_mode="updates") == [
        {"refine_topic": {"topic": "ice cream and cats"}},
        {"generate_joke": {"joke": JOKE}},
    ]


def test_custom_from_nodes(chunks: Chunks) -> None:
    assert chunks("custom", stream_mode="custom") == [
        {"status": "Starting processing"},
        {"progress": 50, "message": "Halfway done"},
        {"status": "Processing complete"},
    ]


def test_custom_from_any_llm(chunks: Chunks) -> None:
    tokens = chunks("any_llm", stream_mode="custom")
    assert tokens == [{"llm_token": word} for word in ("one", "two", "three")]


def test_custom_from_an_async_client(chunks: Chunks) -> None:
    found = chunks("openai", stream_mode="custom")
    assert found == [{"role": "assistant", "content": text} for text in ("pots", ", ", "pans")]


def test_several_modes(chunks: Chunks) -> None:
    assert chunks("several_modes", stream_mode=["updates", "custom"]) == [
        ("updates", {"refine_topic": {"topic": "ice cream and cats"}}),
        ("custom", {"custom_key": "Writing custom data while generating a joke"}),
        ("custom", {"progress": "50%"}),
        ("custom", {"progress": "100%"}),
        ("updates", {"generate_joke": {"joke": JOKE}}),
    ]


def test_subgraphs(chunks: Chunks) -> None:
    found = chunks("subgraph", stream_mode="updates", subgraphs=True)
    ((child,),) = {ns for ns, _ in found if ns}
    assert UUID.sub("<id>", child) == "node_2:<id>"
    assert found == [
        ((), {"node_1": {"foo": "hi! foo"}}),
        ((child,), {"subgraph_node_1": {"bar": "bar"}}),
        ((child,), {"subgraph_node_2": {"foo": "hi! foobar"}}),
        ((), {"node_2": {"foo": "hi! foobar"}}),
    ]


def test_debug(chunks: Chunks) -> None:
    found = chunks("basic", stream_mode="debug")
    ids = [chunk["payload"]["id"] for chunk in found]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert all("T" in chunk["timestamp"] for chunk in found)
    assert [(c["type"], c["step"], c["payload"]["name"]) for c in found] == [
        ("task", 1, "refine_topic"),
        ("task_result", 1, "refine_topic"),
        ("task", 2, "generate_joke"),
        ("task_result", 2, "generate_joke"),
    ]
    start, result = found[0]["payload"], found[1]["payload"]
    assert start == {
        "id": ids[0],
        "name": "refine_topic",
        "input": {"topic": "ice cream"},
        "triggers": ("branch:to:refine_topic",),
    }
    assert result == {
        "id": ids[0],
        "name": "refine_topic",
        "error": None,
        "result": {"topic": "ice cream and cats"},
        "interrupts": [],
    }


def test_async_writer_parameter(chunks: Chunks) -> None:
    assert chunks("async_writer", stream_mode="custom") == [
        {"custom_key": "Streaming custom data while generating a joke"}
    ]


def test_messages_filtered_by_node(chunks: Chunks) -> None:
    """The guide's filter, on messages that nodes return."""
    found = chunks("messages", stream_mode="messages")
    assert {meta["langgraph_node"] for _, meta in found} == {"write_joke", "write_poem"}
    poem = [message for message, meta in found if meta["langgraph_node"] == "write_poem"]
    assert [message.content for message in poem] == ["poem about cats"]


def test_default_mode_is_updates(chunks: Chunks) -> None:
    assert chunks("basic") == chunks("basic", stream_mode="updates")
    assert len(chunks("basic")) == 2


# -- against LangGraph ----------------------------------------------------------------------------

ALONE = [*ALL_MODES, "messages"]


@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("use_async", [False, True])
@pytest.mark.parametrize("name", EXAMPLES)
def test_all_modes_as_langgraph(other: Engine, name: str, use_async: bool, subgraphs: bool) -> None:
    if name in ASYNC_ONLY and not use_async:
        pytest.skip("LangGraph cannot run async nodes under stream()")
    same(
        lambda e: guide_graphs.graph(e, name),
        other,
        INPUTS[name],
        [*ALL_MODES, "messages"] if name == "messages" else ALL_MODES,
        exact=name != "messages",
        use_async=use_async,
        subgraphs=subgraphs,
    )


@pytest.mark.parametrize("mode", ALONE)
@pytest.mark.parametrize("name", EXAMPLES)
def test_each_mode_alone_as_langgraph(other: Engine, name: str, mode: str) -> None:
    """Another set of modes is another way through the runner (live or not, inline or not)."""
    if name == "messages" and mode in ("custom", "updates"):
        pytest.skip("updates of parallel nodes race, nothing is written")
    same(
        lambda e: guide_graphs.graph(e, name),
        other,
        INPUTS[name],
        [mode],
        exact=name != "messages" or mode == "values",
        use_async=name in ASYNC_ONLY,
    )


@pytest.mark.parametrize("name", ASYNC_ONLY)
def test_async_nodes_run_under_sync_stream(other: Engine, name: str) -> None:
    """Better than LangGraph, which raises; the stream is that of its astream()."""
    if other.root == "langgraph":
        pytest.skip("drumline's promise")
    same(
        lambda e: guide_graphs.graph(e, name),
        other,
        INPUTS[name],
        exact=True,
        use_async=True,
        other_async=False,
    )


def test_stream_is_lazy(other: Engine) -> None:
    """Nothing runs before the first next(), and no superstep is planned that nobody asked for."""
    ran: list[str] = []

    class State(TypedDict):
        topic: str

    def node(name: str) -> Any:
        return lambda _: ran.append(name)

    compiled = (
        other.StateGraph(State)
        .add_node("a", node("a"))
        .add_node("b", node("b"))
        .add_edge(other.START, "a")
        .add_edge("a", "b")
        .compile()
    )
    stream = compiled.stream({"topic": "t"}, stream_mode="updates")
    assert ran == []
    assert next(stream) == {"a": None}
    assert ran == ["a"]
    stream.close()
    assert ran == ["a"]


def test_record_keeps_what_came_before_an_error(other: Engine) -> None:
    found = record(guide_graphs.graph(other, "basic"), {})
    assert isinstance(found.error, KeyError)
    assert [item.mode for item in found.items][:2] == ["tasks", "debug"]
