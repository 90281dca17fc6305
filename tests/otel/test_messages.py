"""The numbers of messages, by the names of OpenTelemetry's conventions."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, TypedDict

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from drumline.graph import START, StateGraph
from drumline.testing import local_cluster
from drumline_transport import instruments, spans
from drumline_transport.instruments import BUCKETS_S, instruments_asked_for, instruments_here
from drumline_transport.spans import OPT_IN

STREAM = "local:tasks:default"
SENT, CONSUMED = "messaging.client.sent.messages", "messaging.client.consumed.messages"
OPERATION, PROCESS = "messaging.client.operation.duration", "messaging.process.duration"


class State(TypedDict, total=False):
    n: int


def graphs() -> dict[str, Any]:
    def one(_state: State) -> State:
        return {"n": 1}

    def fail(_state: State) -> State:
        raise KeyError("secret")

    def seq(*nodes: Any) -> Any:
        built, before = StateGraph(State), START
        for node in nodes:
            built.add_node(node)
            built.add_edge(before, node.__name__)
            before = node.__name__
        return built

    wide = StateGraph(State).add_node("a", one).add_node("b", lambda _: {}, metadata={"pool": "gpu"})
    wide.add_edge(START, "a").add_edge(START, "b")
    return {"one": seq(one).compile(), "fail": seq(fail).compile(), "wide": wide.compile()}


class Heard:
    """A meter provider of the SDK, and what came of it."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        data = self._reader.get_metrics_data()
        found = [
            metric
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
        ]
        return [(dict(point.attributes or {}), point) for metric in found for point in metric.data.data_points]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    heard = Heard()
    monkeypatch.delenv("DRUMLINE_OTEL", raising=False)
    monkeypatch.setenv(OPT_IN, "http,messaging")
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: heard.provider)
    yield heard
    heard.provider.shutdown()


def said(operation: str, pool: str = "default", **more: str) -> dict[str, Any]:
    group = {} if operation == "send" else {"messaging.consumer.group.name": "workers"}
    return {
        "messaging.system": "redis",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": f"local:tasks:{pool}",
        **group,
        **more,
    }


def test_messages_are_counted_where_they_are_sent_and_taken(heard: Heard) -> None:
    with local_cluster(graphs()) as cluster:
        for _ in range(3):
            cluster.graph("one").invoke({"n": 0})
    for name, operation in ((SENT, "send"), (CONSUMED, "receive")):
        [(attributes, point)] = heard.points(name)
        assert (attributes, point.value) == (said(operation), 3)
    for name, operation in ((OPERATION, "send"), (PROCESS, "process")):
        [(attributes, point)] = heard.points(name)
        assert (attributes, point.count) == (said(operation), 3)
        assert point.sum > 0 and point.explicit_bounds == BUCKETS_S


def test_each_pool_is_told_of_by_itself(heard: Heard) -> None:
    with local_cluster(graphs()) as cluster:
        cluster.graph("wide").invoke({"n": 0})
    sent = {attributes["messaging.destination.name"]: point.value for attributes, point in heard.points(SENT)}
    assert sent == {STREAM: 1, "local:tasks:gpu": 1}
    assert {attributes["messaging.destination.name"] for attributes, _ in heard.points(PROCESS)} == set(sent)


def test_what_failed_is_told_by_its_class_alone(heard: Heard) -> None:
    with local_cluster(graphs()) as cluster, pytest.raises(KeyError):
        cluster.graph("fail").invoke({"n": 0})
    [(attributes, point)] = heard.points(PROCESS)
    assert (attributes, point.count) == (said("process", **{"error.type": "KeyError"}), 1)


@pytest.mark.parametrize(("variable", "value"), [(OPT_IN, ""), (OPT_IN, "http"), ("DRUMLINE_OTEL", "off")])
def test_nothing_is_counted_for_who_has_not_asked(
    heard: Heard, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    assert instruments_asked_for("p") is not None
    monkeypatch.setenv(variable, value)
    assert instruments_asked_for("p") is None
    with local_cluster(graphs()) as cluster:
        cluster.graph("one").invoke({"n": 0})
    assert heard.points(SENT) == []


def test_nothing_is_counted_where_no_provider_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OPT_IN, "messaging")
    for provider in (metrics.NoOpMeterProvider(), metrics.get_meter_provider()):
        monkeypatch.setattr(metrics, "get_meter_provider", lambda provider=provider: provider)
        assert instruments_here("p") is None


def test_a_provider_that_raises_ends_no_run(
    heard: Heard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def record(self, *_: Any) -> None:
            raise RuntimeError("this exporter is broken")

        add = record

    class Meter:
        def create_histogram(self, *_: Any) -> Broken:  # as of an API that knows no advice
            return Broken()

        create_counter = create_histogram

    monkeypatch.setattr(spans, "_warned", set())
    monkeypatch.setattr(heard.provider, "get_meter", lambda _name: Meter())
    assert instruments.instruments_asked_for("p") is not None
    with caplog.at_level(logging.WARNING), local_cluster(graphs()) as cluster:
        assert cluster.graph("one").invoke({"n": 0}) == {"n": 1}
    assert caplog.text.count("messages are not counted: RuntimeError: this exporter is broken") == 1
