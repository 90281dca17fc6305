"""Names that cannot be keys are refused where they arise: by the client, by the builder, by the reader of a message."""

from __future__ import annotations

from typing import Any

import pytest
from tests.protocol.samples import CODEC

from drumline.cluster.link import Link
from drumline_graph.builder import StateGraph
from drumline_graph.compile import compile_program
from drumline_graph.constants import START
from drumline_graph.errors import GraphDefinitionError
from drumline_protocol import wire
from drumline_protocol.errors import DecodeError, InvalidRequest
from drumline_protocol.limits import NAME_CHARS_MAX
from drumline_protocol.messages import CancelRun, RunRequest
from drumline_protocol.requests import check_names, check_request, check_run_id

LONG = "x" * (NAME_CHARS_MAX + 1)
BAD: list[tuple[dict[str, Any], str]] = [
    ({"run_id": "a\ud800"}, "run_id holds a lone surrogate"),
    ({"run_id": ""}, "run_id must have 1 to 200 characters, not 0"),
    ({"run_id": LONG}, "run_id must have 1 to 200 characters, not 201"),
    ({"run_id": 5}, "run_id must be a text, not a int"),
    ({"graph": "g\udfff"}, "graph holds a lone surrogate"),
    ({"graph": LONG}, "graph must have 1 to 200"),
    ({"config": {"tags": ["ok", "\ud800"]}}, "config.tags.1 holds a lone surrogate"),
]


class Broker:
    """Knows only how many partitions there are: nothing may be sent."""

    partitions = 4
    protocol = 1

    def submit(self, _partition: int, run_id: str, _data: bytes) -> None:
        pytest.fail(f"{run_id!r} was sent")


def request(**given: Any) -> RunRequest:
    return RunRequest(**{"run_id": "r", "graph": "g", "input": None, **given})


@pytest.mark.parametrize(("given", "fault"), BAD, ids=lambda each: str(each)[:30])
def test_names_that_cannot_be(given: dict[str, Any], fault: str) -> None:
    link = Link("redis://nowhere", "p", (), ())
    link._broker = Broker()  # type: ignore[assignment]
    for call in (check_names, check_request, lambda asked: link.submit(asked, CODEC)):
        with pytest.raises(InvalidRequest, match=fault):
            call(request(**given))


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidRequest, match=r"run_id .*; graph .*; config.tags.0 "):
        check_names(request(run_id="", graph="\ud800", config={"tags": ["\udc00"]}))


@pytest.mark.parametrize("run_id", ["", "\ud800", LONG])
def test_looking_up_a_run_that_cannot_be(run_id: str) -> None:
    link = Link("redis://nowhere", "p", (), ())
    link._broker = Broker()  # type: ignore[assignment]
    calls: list[Any] = [check_run_id, link.partition, lambda run: link.cancel(run, "")]
    for call in calls:
        with pytest.raises(InvalidRequest, match="run_id"):
            call(run_id)


def test_names_that_can_be() -> None:
    for good in ("r", "x" * NAME_CHARS_MAX, "läuft", "\U0001f941", "a:b{c}*", "\0"):
        check_names(request(run_id=good, graph=good, config={"tags": [good], "metadata": {"\ud800": "\ud800"}}))
        assert wire.decode(CODEC, wire.encode(CODEC, CancelRun(good))).run == good


@pytest.mark.parametrize("name", ["", "\ud800", LONG])
def test_a_message_with_such_a_name_is_not_read(name: str) -> None:
    for message in (CancelRun(name), request(run_id=name), request(graph=name)):
        with pytest.raises(DecodeError, match="must be a name"):
            wire.decode(CODEC, wire.encode(CODEC, message))


def test_nodes_and_pools() -> None:
    builder: Any = StateGraph(dict)
    with pytest.raises(GraphDefinitionError, match="holds a lone surrogate"):
        builder.add_node("a\ud800", print)
    builder.add_node("a", print, metadata={"pool": "gpu\ud800"})
    builder.add_edge(START, "a")
    with pytest.raises(GraphDefinitionError, match="'a' holds a lone surrogate"):
        compile_program(builder)
