"""Real processes: an app that brings an SDK, and a trace that goes through all of them."""

from __future__ import annotations

import json
import signal
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.command import Started, environment
from tests.otel.told import SPAN, TRACE
from tests.servers import server as server

from drumline import Cluster
from drumline_protocol.trace_context import arrived
from drumline_transport.local_server import LocalServer

APP = textwrap.dedent(
    """
    from typing import TypedDict
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
    from drumline.graph import START, StateGraph

    to = open("spans.jsonl", "a", buffering=1)
    exporter = ConsoleSpanExporter(out=to, formatter=lambda span: span.to_json(indent=None) + "\\n")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)

    class State(TypedDict, total=False):
        n: int

    def node(state: State) -> State:
        with trace.get_tracer("mine").start_as_current_span("in a node"):
            return {"n": 1}

    graph = StateGraph(State).add_node(node).add_edge(START, "node").compile(name="g")
    """
)


@pytest.fixture
def traced() -> Iterator[None]:
    token = arrived.set((f"00-{TRACE}-{SPAN}-01", ""))
    yield
    arrived.reset(token)


@pytest.mark.cluster
@pytest.mark.usefixtures("traced")
def test_one_trace_goes_through_all_processes(server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    common = ["--app", "g=app.py:graph", "--broker", server.url, "--prefix", "otel", "--otel", "on"]
    started = [Started(role, *common, cwd=tmp_path, env=environment()) for role in ("coordinator", "worker")]
    try:
        for each in started:
            each.await_line(" ready: ")
        with Cluster(server.url, prefix="otel") as cluster:
            assert cluster.graph("g").invoke({}) == {"n": 1}
        assert [each.end(signal.SIGTERM) for each in started] == [0, 0]
    finally:
        for each in started:
            each.close()
    spans = [json.loads(line) for line in (tmp_path / "spans.jsonl").read_text().splitlines()]
    by_name = {span["name"]: span for span in spans}
    assert len(spans) == 4 and {span["context"]["trace_id"] for span in spans} == {f"0x{TRACE}"}
    run, sent = by_name["invoke_workflow g"], by_name["send otel:tasks:default"]
    taken, inner = by_name["process otel:tasks:default"], by_name["in a node"]
    above = {name: span["parent_id"] for name, span in by_name.items()}
    assert above[run["name"]] == f"0x{SPAN}" and above[inner["name"]] == taken["context"]["span_id"]
    assert above[sent["name"]] == above[taken["name"]] == run["context"]["span_id"]
    assert [link["context"]["span_id"] for link in taken["links"]] == [sent["context"]["span_id"]]
