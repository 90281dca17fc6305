"""The `messages` view over facts: metadata that travels once, retractions, namespaces, messages that were given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk

from drumline.views import View
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.facts import (
    AttemptRetracted,
    Emitted,
    GraphEntered,
    NodeSketch,
    PlanMade,
    PlannedTask,
    RunStarted,
    Sketch,
)
from drumline_protocol.message_kinds import CHUNK, OUTPUT, WHOLE
from drumline_worker.model_call import ModelCall

CODEC = Codec()
TASK = "11111111-2222-3333-4444-555555555555"


class Log:
    """The items of one task: what `ModelCall` emits, encoded as a worker does."""

    def __init__(self, view: View, **plan: Any) -> None:
        self.view = view
        self.n = 0
        self.items: list[bytes] = []
        sketch = Sketch("g", ["log"], ["log"], {"a": NodeSketch(["log"], ("branch:to:a",), "default")})
        view.fold(RunStarted("r", "g", "", ("messages",), {"": sketch}, {}, (), 0.0))
        view.fold(GraphEntered((), "", {}))
        task = PlannedTask(TASK, "a", ("__pregel_pull", "a"), ("branch:to:a",))
        view.fold(PlanMade((), 1, 25, [task], 0.0, **plan))

    def emit(self, kind: int, payload: Any, header: Any) -> None:
        self.items.append(wire.encode_item(CODEC, kind, payload, header))

    def flush(self, attempt: int = 1) -> list[Any]:
        """Fold what was emitted since the last time."""
        items, self.items = self.items, []
        found = self.view.fold(Emitted(TASK, attempt, self.n, "w", list(items)))
        self.n += len(items)
        return found

    def retract(self) -> None:
        self.n = 0
        self.view.fold(AttemptRetracted((), TASK, 1, "gone"))


@pytest.fixture(params=[False, True], ids=["alone", "subgraphs"])
def log(request: pytest.FixtureRequest) -> Log:
    def decode(data: bytes) -> Any:
        return wire.decode_item(CODEC, data)

    return Log(View(["messages"], subgraphs=request.param, decode_item=decode))


def bare(items: Sequence[Any]) -> list[tuple[Any, Any]]:
    """(content, metadata) of items with or without a namespace before them."""
    pairs = [item if not isinstance(item[0], tuple) else item[1] for item in items]
    return [(message.content, metadata) for message, metadata in pairs]


def say(call: ModelCall, *words: str, id: str = "m") -> None:
    for word in words:
        call.put(CHUNK, AIMessageChunk(word, id=id))  # type: ignore[call-arg]


def test_metadata_travels_with_the_first_item_of_a_call(log: Log) -> None:
    metadata = {"langgraph_node": "a", "long": "x" * 700}
    one, two = ModelCall(log.emit, 1, {**metadata, "call": 1}), ModelCall(log.emit, 2, {**metadata, "call": 2})
    say(one, "a")
    say(two, "b", id="n")
    say(one, "c")
    say(two, "d", id="n")
    sizes = [len(item) for item in log.items]
    assert min(sizes[:2]) > 700 and max(sizes[2:]) < 120
    found = bare(log.flush())
    assert [(word, meta["call"]) for word, meta in found] == [("a", 1), ("b", 2), ("c", 1), ("d", 2)]
    assert all(meta["long"] for _, meta in found)


def test_a_second_attempt_that_repeats_is_left_out(log: Log) -> None:
    """The item that brings the metadata is left out undecoded, and what follows still has them."""
    say(ModelCall(log.emit, 1, {"of": "first"}), "a", "b", "c")
    assert len(log.flush()) == 3
    log.retract()
    say(ModelCall(log.emit, 1, {"of": "first"}), "a", "b", "c", "d")
    assert bare(log.flush(2)) == [("d", {"of": "first"})]


def test_a_second_attempt_that_differs_brings_its_own_metadata(log: Log) -> None:
    say(ModelCall(log.emit, 1, {"of": "first"}), "a", "b")
    log.flush()
    log.retract()
    say(ModelCall(log.emit, 1, {"of": "second"}), "a", "b")
    assert bare(log.flush(2)) == [("a", {"of": "second"}), ("b", {"of": "second"})]


def test_a_second_attempt_whose_calls_come_in_another_order(log: Log) -> None:
    one, two = ModelCall(log.emit, 1, {"of": "joke"}), ModelCall(log.emit, 2, {"of": "poem"})
    say(one, "a")
    say(two, "b", id="n")
    say(one, "c")
    log.flush()
    log.retract()
    one, two = ModelCall(log.emit, 1, {"of": "poem"}), ModelCall(log.emit, 2, {"of": "joke"})
    say(two, "a")
    say(one, "b", id="n")
    say(two, "c")
    assert bare(log.flush(2)) == [("a", {"of": "joke"}), ("b", {"of": "poem"}), ("c", {"of": "joke"})]


def test_a_whole_message_that_was_taken_back_is_news_again(log: Log) -> None:
    """Ids of returned messages are the same in each attempt; what they say need not be."""
    call = ModelCall(log.emit, 1, {})
    call.put(OUTPUT, AIMessage("same", id="1"))
    call.put(OUTPUT, AIMessage("lost", id="2"))
    assert len(log.flush()) == 2
    log.retract()
    call = ModelCall(log.emit, 1, {})
    call.put(OUTPUT, AIMessage("same", id="1"))
    call.put(OUTPUT, AIMessage("other", id="2"))
    call.put(OUTPUT, AIMessage("same again", id="1"))
    assert [word for word, _ in bare(log.flush(2))] == ["other"]


def test_an_answer_whose_chunks_were_repeated_is_not_shown_whole(log: Log) -> None:
    say(ModelCall(log.emit, 1, {}), "a", "b")
    log.flush()
    log.retract()
    call = ModelCall(log.emit, 1, {})
    say(call, "a", "b")
    call.put(OUTPUT, AIMessage("ab", id="m"))
    assert log.flush(2) == []


def test_whole_messages_are_shown_once(log: Log) -> None:
    call = ModelCall(log.emit, 1, {})
    say(call, "chunk", id="1")
    call.put(WHOLE, AIMessage("whole of 1", id="1"))
    call.put(WHOLE, AIMessage("two", id="2"))
    call.put(OUTPUT, AIMessage("two again", id="2"))
    assert [word for word, _ in bare(log.flush())] == ["chunk", "two"]


def test_events_of_another_namespace_need_subgraphs(log: Log) -> None:
    """What was not shown does not count as shown, either."""
    call = ModelCall(log.emit, 1, {"of": "child"}, ns=("a:1", "b:2"))
    say(call, "deep", id="d")
    call.put(OUTPUT, AIMessage("whole", id="w"))
    ModelCall(log.emit, 2, {"of": "node"}).put(OUTPUT, AIMessage("whole", id="w"))
    found = log.flush()
    if log.view._subgraphs:
        assert [ns for ns, _ in found] == [("a:1", "b:2"), ("a:1", "b:2")]
        assert [message.content for _, (message, _) in found] == ["deep", "whole"]
    else:
        assert bare(found) == [("whole", {"of": "node"})]


def test_messages_that_a_foreign_node_was_given(log: Log) -> None:
    log.emit(1, None, {"kind": "given", "ids": ["1"]})
    log.emit(1, None, {"kind": "given", "ids": ["2"], "ns": ["a:1"]})
    call = ModelCall(log.emit, 1, {})
    for id_ in "123":
        call.put(OUTPUT, AIMessage(id_, id=id_))
    shown = [word for word, _ in bare(log.flush())]
    assert shown == (["3"] if log.view._subgraphs else ["2", "3"])


def test_an_event_that_is_not_taken_does_not_take_the_metadata_along() -> None:
    sent: list[Any] = []
    full = [True]

    def emit(kind: int, payload: Any, header: Any) -> None:
        if full.pop():
            raise BlockingIOError("the buffer is full")
        sent.append(wire.decode_item(CODEC, wire.encode_item(CODEC, kind, payload, header)))

    call = ModelCall(emit, 1, {"of": "call"})
    with pytest.raises(BlockingIOError):
        say(call, "x")
    full.append(False)
    say(call, "y")
    assert sent[0][1][1] == {"of": "call"}
