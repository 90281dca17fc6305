"""A node that calls a graph runs twice: the view tells of the second call as if it were the first."""

from __future__ import annotations

import operator
from typing import Annotated, Any

import pytest
from typing_extensions import TypedDict

from drumline.embedded.forward import Forwarder
from drumline.graph import START, StateGraph
from drumline.views import View
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.facts import (
    NESTED,
    AttemptRetracted,
    Emitted,
    GraphEntered,
    NodeSketch,
    PlanMade,
    PlannedTask,
    RunStarted,
    Sketch,
)
from drumline_worker.job import portable_event

CODEC = Codec()
MODES = ("tasks", "values", "updates")


class Trail(TypedDict, total=False):
    trail: Annotated[list[str], operator.add]


def inner() -> Any:
    builder = StateGraph(Trail)
    builder.add_node("one", lambda _state: {"trail": ["one"]}).add_node("two", lambda _state: {"trail": ["two"]})
    return builder.add_edge(START, "one").add_edge("one", "two").compile(name="inner")


def outer() -> Any:
    graph = inner()

    def call(_state: Trail) -> dict[str, Any]:
        graph.invoke({"trail": ["first call"]})
        return dict(graph.invoke({"trail": ["second call"]}))

    return StateGraph(Trail).add_node("call", call).add_edge(START, "call").compile(name="outer")


def attempt(graph: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[bytes]]:
    """The id of the calling task, and what it emits, encoded as a worker does."""
    emitted: list[bytes] = []
    begin = Forwarder.__init__

    def spy(self: Forwarder, _emit: Any, *rest: Any, **more: Any) -> None:
        begin(self, lambda *item: emitted.append(_encoded(*item)), *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Forwarder, "__init__", spy)
        stream = graph.stream({}, {"run_id": "r"}, stream_mode=["tasks"], subgraphs=True)
        task = next(payload["id"] for ns, _, payload in stream if not ns)
        list(stream)
    return task, emitted


def _encoded(kind: int, payload: Any, header: Any) -> bytes:
    assert kind == NESTED
    return wire.encode_item(CODEC, kind, portable_event(kind, payload, CODEC), header)


def view_of(task: str) -> View:
    view = View(MODES, listed=True, subgraphs=True, decode_item=lambda data: wire.decode_item(CODEC, data))
    sketch = Sketch("outer", ["trail"], ["trail"], {"call": NodeSketch(["trail"], ("branch:to:call",), "default")})
    view.fold(RunStarted("r", "outer", "", MODES, {"": sketch}, {}, (), 0.0))
    view.fold(GraphEntered((), "", {}))
    view.fold(PlanMade((), 1, 25, [PlannedTask(task, "call", ("__pregel_pull", "call"), ("branch:to:call",))], 0.0))
    return view


def test_the_second_attempt_is_shown_from_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the first one broke off: states and inputs are those of the second, none is left over from the first."""
    graph = outer()
    task, first = attempt(graph, monkeypatch)
    again, second = attempt(graph, monkeypatch)
    assert task == again and first[0] == second[0] and first[1:] != second[1:], "how a graph is entered repeats"
    whole = view_of(task).fold(Emitted(task, 2, 0, "w", second))
    assert next(payload for _, mode, payload in whole if mode == "values") == {"trail": ["first call"]}
    for broken_off in range(len(first) + 1):
        view = view_of(task)
        view.fold(Emitted(task, 1, 0, "v", first[:broken_off]))
        view.fold(AttemptRetracted((), task, 1, "its worker is gone"))
        assert view.fold(Emitted(task, 2, 0, "w", second)) == whole, f"broken off behind {broken_off} events"
