"""One trace: from HTTP, or from the caller's span, through runs and tasks to the spans that nodes open."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, TypedDict

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from starlette.testclient import TestClient
from tests.otel.told import PARENT, SPAN, TRACE, Told, attributes, id_of, linked

from drumline.checkpoint.memory import InMemorySaver
from drumline.graph import START, StateGraph
from drumline.langgraph import adapt
from drumline.prebuilt import ToolNode
from drumline.testing import local_cluster
from drumline.types import interrupt
from drumline_gateway.app import asgi, build
from drumline_gateway.auth import Guard
from drumline_gateway.embedded_service import EmbeddedService

SECRET = "what nobody else is to read"
STREAM = "local:tasks:default"


class State(TypedDict, total=False):
    text: str


def graphs(told: Told) -> dict[str, Any]:
    def one(_state: State) -> State:
        with told.users.start_as_current_span("in a node"):
            pass
        return {"text": SECRET}

    async def two(_state: State) -> State:
        with told.users.start_as_current_span("in an async node"):
            return {}

    def fail(_state: State) -> State:
        raise KeyError(SECRET)

    def ask(_state: State) -> State:
        return {"text": interrupt(SECRET)}

    def add(n: int) -> int:
        """Add one."""
        return n + 1

    both = StateGraph(State).add_node(one).add_node(two).add_edge(START, "one").add_edge("one", "two")
    agent = StateGraph(State).add_node(one).add_node("tools", ToolNode([add])).add_edge(START, "one")
    return {
        "both": both.compile(name="both"),
        "fail": StateGraph(State).add_node(fail).add_edge(START, "fail").compile(name="fail"),
        "ask": StateGraph(State).add_node(ask).add_edge(START, "ask").compile(name="ask"),
        "agent": agent.compile(name="agent"),
    }


@pytest.fixture(scope="module")
def cluster(module_told: Told) -> Iterator[Any]:
    with local_cluster(graphs(module_told)) as cluster:
        yield cluster


@pytest.fixture(scope="module", params=["cluster", "embedded"])
def http(request: pytest.FixtureRequest, module_told: Told) -> Iterator[TestClient]:
    """A gateway; its spans have ended when `close` has come back."""
    if request.param == "cluster":
        found = request.getfixturevalue("cluster")
        app = asgi(found, graphs=found.graphs, guard=Guard())
    else:
        programs = {name: graph.program for name, graph in graphs(module_told).items()}
        app = build(EmbeddedService(programs), guard=Guard())
    with TestClient(app) as client:
        yield client


def until(told: Told, name: str) -> None:
    """Wait for a span: a coordinator tells of a run when the broker has confirmed its end."""
    ended = threading.Event()
    for _ in range(2000):
        if told.named(name):
            return
        ended.wait(0.01)
    raise AssertionError([span.name for span in told.spans])


def test_one_trace_from_http_into_the_nodes(http: TestClient, told: Told) -> None:
    body = {"assistant_id": "both", "input": {"text": "x"}}
    assert http.post("/runs/wait", json=body, headers={"traceparent": PARENT, "tracestate": "a=b"}).status_code == 200
    until(told, "invoke_workflow both")
    run, inner = told.one("invoke_workflow both"), told.one("in a node")
    on_cluster = bool(told.named(f"send {STREAM}"))
    tasks = [f"process {STREAM}"] * 2 if on_cluster else ["node one", "node two"]
    assert told.line(inner) == ["in a node", tasks[0], run.name, SPAN]
    assert told.line(told.one("in an async node")) == ["in an async node", tasks[1], run.name, SPAN]
    assert {f"{span.context.trace_id:032x}" for span in told.spans if span.context} == {TRACE}
    assert inner.context is not None and inner.context.trace_state.get("a") == "b"
    assert run.kind is SpanKind.INTERNAL and attributes(run)["drumline.status"] == "done"
    for sent in told.named(f"send {STREAM}"):
        assert sent.kind is SpanKind.PRODUCER and told.line(sent)[1:] == [run.name, SPAN]
        (taken,) = [span for span in told.named(f"process {STREAM}") if linked(span) == [id_of(sent)]]
        assert taken.kind is SpanKind.CONSUMER
        same = ("drumline.task_id", "drumline.node", "drumline.attempt", "drumline.pool", "drumline.run_id")
        assert [attributes(taken)[key] for key in same] == [attributes(sent)[key] for key in same]
        assert attributes(taken)["drumline.attempt"] == 1 and attributes(taken)["drumline.outcome"] == "done"


@pytest.mark.parametrize(
    "traceparent", ["", "garbage", "\0" * 55, PARENT + "\0", PARENT.upper(), "f" * 60_000, f"ff{PARENT[2:]}", "é" * 55]
)
def test_a_hostile_header_begins_a_trace_of_its_own(http: TestClient, told: Told, traceparent: str) -> None:
    headers = [("traceparent", traceparent.encode()), ("tracestate", b"\xff\0" * 10_000)]
    body = {"assistant_id": "both", "input": {"text": "x"}}
    assert http.post("/runs/wait", json=body, headers=headers).status_code == 200  # type: ignore[arg-type]
    until(told, "invoke_workflow both")
    assert told.one("invoke_workflow both").parent is None
    assert told.line(told.one("in a node"))[-1] == "invoke_workflow both"


def test_the_span_of_the_caller_is_above_the_run(cluster: Any, told: Told) -> None:
    with told.users.start_as_current_span("caller"):
        cluster.graph("both").invoke({"text": "x"})
    until(told, "invoke_workflow both")
    assert told.line(told.one("in a node"))[-2:] == ["invoke_workflow both", "caller"]
    told.clear()

    async def main() -> None:
        with told.users.start_as_current_span("async caller"):
            async for _ in cluster.graph("both").astream({"text": "x"}):
                pass

    asyncio.run(main())
    until(told, "invoke_workflow both")
    assert told.line(told.one("in an async node"))[-2:] == ["invoke_workflow both", "async caller"]


@pytest.mark.parametrize("is_async", [False, True])
def test_embedded_runs_lie_below_their_caller(told: Told, is_async: bool) -> None:
    graph = graphs(told)["both"]
    with told.users.start_as_current_span("caller"):
        for _ in () if is_async else graph.stream({"text": "x"}):
            told.users.start_span("between two items").end()
        if is_async:
            asyncio.run(graph.ainvoke({"text": "x"}))
    assert told.line(told.one("in a node")) == ["in a node", "node one", "invoke_workflow both", "caller"]
    assert told.line(told.one("in an async node"))[1:] == ["node two", "invoke_workflow both", "caller"]
    assert all(told.line(span)[1:] == ["caller"] for span in told.named("between two items"))


def test_no_span_holds_what_users_wrote(cluster: Any, told: Told) -> None:
    with pytest.raises(KeyError):
        cluster.graph("fail").invoke({"text": SECRET})
    until(told, "invoke_workflow fail")
    for span in (told.one("invoke_workflow fail"), told.one(f"process {STREAM}")):
        assert span.status.status_code is StatusCode.ERROR and attributes(span)["error.type"] == "KeyError"
    cluster.graph("ask").invoke({"text": SECRET}, {"configurable": {"thread_id": "t1", "key": SECRET}})
    until(told, "invoke_workflow ask")
    run = told.one("invoke_workflow ask")
    assert attributes(run)["drumline.status"] == "paused" and attributes(run)["drumline.thread_id"] == "t1"
    assert run.status.status_code is StatusCode.UNSET
    assert all(SECRET not in span.to_json() for span in told.spans)
    assert not any(span.events for span in told.spans)


def test_a_change_of_state_is_no_run(told: Told) -> None:
    builder = StateGraph(State).add_node("one", lambda _state: {}).add_edge(START, "one")
    graph = builder.compile(name="kept", checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    graph.update_state(config, {"text": "x"}, "one")
    assert told.spans == ()
    with local_cluster({"kept": builder.compile(name="kept")}) as cluster:
        with told.users.start_as_current_span("caller"):
            cluster.graph("kept").update_state(config, {"text": "x"}, "one")
        cluster.graph("kept").invoke({"text": "x"}, config)
        until(told, "invoke_workflow kept")
    assert len(told.named("invoke_workflow kept")) == 1


def test_what_is_cancelled_is_no_failure(told: Told) -> None:
    begun = asyncio.Event()

    async def wait(_state: State) -> State:
        begun.set()
        await asyncio.Event().wait()
        return {}

    async def main() -> None:
        running = asyncio.ensure_future(graph.ainvoke({"text": "x"}))
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    graph = StateGraph(State).add_node(wait).add_edge(START, "wait").compile(name="waits")
    asyncio.run(main())
    assert attributes(told.one("node wait"))["drumline.outcome"] == "cancelled"
    assert attributes(told.one("invoke_workflow waits"))["drumline.status"] == "left"
    assert all(span.status.status_code is StatusCode.UNSET for span in told.spans)


def test_an_agent_of_langgraph_is_one(told: Told) -> None:
    from langgraph.graph import StateGraph as TheirGraph
    from langgraph.prebuilt import ToolNode as TheirToolNode

    built: Any = TheirGraph(State).add_node("one", lambda _state: {"text": "x"})
    built.add_node("tools", TheirToolNode([])).add_edge(START, "one")
    adapt(built.compile(name="theirs")).invoke({"text": "x"})
    assert told.line(told.one("node one")) == ["node one", "invoke_agent theirs"]


def test_metadata_are_bounded(told: Told) -> None:
    metadata = {f"k{n:02}": n for n in range(50)} | {"a": "x" * 5000, "b\0": 1, "c": {"d": SECRET}, "e": [SECRET]}
    graphs(told)["both"].invoke({}, {"metadata": dict(reversed(metadata.items()))})
    found = {key: value for key, value in attributes(told.one("invoke_workflow both")).items() if ".metadata." in key}
    assert len(found) == 32 and found["drumline.metadata.a"] == "x" * 512
    assert not any(SECRET in str(value) or "\0" in key for key, value in found.items())


def test_names_that_may_change_are_there_for_who_asks_for_them(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> set[str]:
        return {key for span in told.spans for key in attributes(span) if key.startswith(("gen_ai.", "messaging."))}

    graph = graphs(told)["agent"].copy()
    graph.checkpointer = InMemorySaver()
    config: Any = {"configurable": {"thread_id": "t2"}}
    graph.invoke({"text": "x"}, config)
    assert names() == set()
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http,gen_ai_latest_experimental, messaging")
    monkeypatch.setattr("drumline_transport.spans._tracers", {})
    told.clear()
    graph.invoke({"text": "x"}, config)
    run = attributes(told.one("invoke_agent agent"))
    assert (run["gen_ai.operation.name"], run["gen_ai.agent.name"]) == ("invoke_agent", "agent")
    assert run["gen_ai.conversation.id"] == "t2"
    with local_cluster(graphs(told)) as cluster:
        cluster.graph("both").invoke({"text": "x"})
        until(told, "invoke_workflow both")
    sent, taken = told.named(f"send {STREAM}")[0], told.named(f"process {STREAM}")[0]
    for span, operation in ((sent, "send"), (taken, "process")):
        assert attributes(span)["messaging.operation.name"] == operation
        assert attributes(span)["messaging.destination.name"] == STREAM
    assert attributes(taken)["messaging.consumer.group.name"] == "workers"
