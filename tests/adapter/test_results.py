"""What a caller of an adapted graph gets is of LangGraph's classes, and comes when it happens."""

from __future__ import annotations

import asyncio
import operator
import threading
from typing import Annotated, Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import GraphOutput, Interrupt, Overwrite, Send, interrupt
from tests.differential.drift import IS_ELDER
from tests.differential.models import Parrot
from typing_extensions import TypedDict

from drumline.langgraph import adapt
from drumline.langgraph.values import our_value, their_payload
from drumline.types import Command as OurCommand
from drumline.types import Interrupt as OurInterrupt

wires = pytest.mark.parametrize("strict", [False, True], ids=["by reference", "strict"])


class Log(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


def one(node: Any) -> Any:
    return StateGraph(Log).add_node("n", node).add_edge(START, "n").compile()


def nested(node: Any) -> Any:
    return one(one(node))


@entrypoint()
def asks(_: Any) -> Any:
    return interrupt({"why": 1})


ASKING = {
    "graph": one(lambda _: {"log": [interrupt({"why": 1})]}),
    "subgraph": nested(lambda _: {"log": [interrupt({"why": 1})]}),
    "functional": asks,
}


@wires
@pytest.mark.parametrize("name", ASKING)
def test_questions_are_langgraphs(name: str, strict: bool) -> None:
    theirs = ASKING[name]
    graph = adapt(theirs, strict_wire=strict)
    (asked,) = graph.invoke({"log": []})["__interrupt__"]
    assert type(asked) is Interrupt
    assert asked == Interrupt({"why": 1}, id=asked.id)
    output = graph.invoke({"log": []}, version="v2")
    expected = theirs.invoke({"log": []}, version="v2")
    assert type(output) is GraphOutput and type(output) is type(expected)
    assert [(type(item), item.value) for item in output.interrupts] == [(Interrupt, {"why": 1})]
    assert output.value == expected.value
    assert type(asyncio.run(graph.ainvoke({"log": []}, version="v2"))) is GraphOutput
    for mode in ("updates", "values"):
        for version in ("v1", "v2"):
            last = list(graph.stream({"log": []}, stream_mode=mode, version=version))[-1]
            reference = list(theirs.stream({"log": []}, stream_mode=mode, version=version))[-1]
            assert _kinds(last) == _kinds(reference)


def _kinds(value: Any) -> Any:
    """A payload with the classes of its control values, ids left out."""
    if isinstance(value, dict):
        return {key: _kinds(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_kinds(item) for item in value]
    return (type(value), value.value) if hasattr(value, "value") else value


@wires
def test_written_control_values_are_langgraphs(strict: bool) -> None:
    graph = one(lambda _: {"log": Overwrite(["o"])})
    expected = list(graph.stream({"log": []}, stream_mode="updates"))
    found = list(adapt(graph, strict_wire=strict).stream({"log": []}, stream_mode="updates"))
    assert found == expected and type(found[0]["n"]["log"]) is Overwrite


def test_every_control_value_goes_both_ways() -> None:
    asked, sent = Interrupt("why", id="i"), Send("n", {"k": 1})
    payload = {"n": {"log": [sent, "x"], "kept": Overwrite(1)}, "__interrupt__": (asked,)}
    ours = {"n": {key: our_value(item) for key, item in payload["n"].items()}, "__interrupt__": our_value((asked,))}  # type: ignore[attr-defined]
    assert type(ours["__interrupt__"][0]) is OurInterrupt  # type: ignore[index]
    assert their_payload(ours) == payload
    assert their_payload([{"log": our_value(Overwrite(1))}, None]) == [{"log": Overwrite(1)}, None]
    plain = {"log": [1, 2]}
    assert their_payload(plain) == plain
    assert type(their_payload(OurCommand(goto="n"))).__module__ == "langgraph.types"


# -- server_info ------------------------------------------------------------------------------------


def tells(_: Any, runtime: Runtime[Any]) -> dict[str, Any]:
    return {"log": [str(runtime.server_info)]}


def calls(_: Any, config: RunnableConfig) -> Any:
    return {"log": one(tells).invoke({"log": []}, config)["log"]}


@entrypoint()
def flow(_: Any) -> str:
    return str(get_runtime().server_info)


@wires
@pytest.mark.parametrize(
    "given", [{}, {"assistant_id": "as", "graph_id": "g"}, {"graph_id": "g"}, {"assistant_id": 7}], ids=repr
)
@pytest.mark.parametrize(
    "graph", [one(tells), nested(tells), one(calls), flow], ids=["node", "nested", "called", "flow"]
)
def test_who_serves_the_graph(graph: Any, given: dict[str, Any], strict: bool) -> None:
    config: Any = {"configurable": given}
    state: Any = {"log": []}
    found = adapt(graph, strict_wire=strict).invoke(state, config)
    assert found == graph.invoke(state, config)
    assert ("ServerInfo" in str(found)) is bool(given)


# -- when items come --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["updates", "custom", "messages", "tasks", "debug"])
@wires
def test_a_functional_graph_streams_while_it_runs(mode: str, strict: bool) -> None:
    """The flow ends only when its reader has seen what its first task told."""
    if mode == "messages" and IS_ELDER:
        pytest.skip("tokens of a @task are not shown by the LangGraph that is installed")

    seen = threading.Event()

    @task
    def first(n: int) -> int:
        get_stream_writer()("told")
        Parrot().invoke("told")
        return n

    @entrypoint()
    def waits(n: int) -> bool:
        first(n).result()
        return seen.wait(10)

    items = adapt(waits, strict_wire=strict).stream(1, stream_mode=[mode, "values"])  # type: ignore[list-item]
    for shown, payload in items:
        if shown == mode and not (mode in ("tasks", "debug") and "result" not in str(payload)):
            seen.set()
        if shown == "values":
            assert payload is True
    assert seen.is_set()
