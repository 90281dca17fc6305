"""Views over facts that a scripted coordinator wrote: what each mode shows, and what a retraction takes back."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from tests.client.scripted import PROGRAM, Script, begun, committed, events, planned

from drumline.types import Interrupt
from drumline.views import FinalOutput
from drumline_protocol import wire
from drumline_protocol.facts import (
    AttemptRetracted,
    Emitted,
    GraphEntered,
    PlanMade,
    PlannedTask,
    StepCommitted,
    TaskFinished,
    TaskInterrupted,
    TaskRetried,
)
from drumline_protocol.failure import describe
from drumline_protocol.message_kinds import CHUNK, WHOLE
from drumline_worker.model_call import ModelCall


def start(script: Script, *recorded: str) -> None:
    """Facts 1 to 3: a run whose node `says` is open."""
    script.write("r", 1, *begun(PROGRAM, recorded=recorded, subgraphs=True), planned(1, "says"))


def read(script: Script, **options: Any) -> list[Any]:
    return list(script.cluster().join("r", **options))


def retracted(script: Script, first: list[Any], second: list[Any], **options: Any) -> list[Any]:
    """Items of a run whose node told `first`, was lost, and told `second`."""
    start(script, "custom")
    script.write("r", 4, events(script, *first), last=3 + len(first))
    at = 4 + len(first)
    script.write("r", at, AttemptRetracted((), "says", 1, "gone"))
    script.write("r", at + 1, events(script, *second, attempt=2), last=at + len(second))
    at += 1 + len(second)
    script.write("r", at, TaskFinished((), "says", 2, "w", [], 0.0))
    script.finish("r", at + 1)
    return read(script, stream_mode="custom", **options)


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        ([1, 2, 3], [1, 2, 3], [1, 2, 3]),
        ([1, 2], [1, 2, 3], [1, 2, 3]),
        ([1, 2, 3], [1, 2], [1, 2, 3]),
        ([1, 2, 3], [1, 9, 3], [1, 2, 3, 9, 3]),
        ([1, 2, 3], [9, 2, 3], [1, 2, 3, 9, 2, 3]),
        ([1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]),
        ([1, 2], [2, 1], [1, 2, 2, 1]),
    ],
)
def test_a_new_attempt_is_left_out_as_long_as_it_repeats_the_old(
    script: Script, first: list[Any], second: list[Any], shown: list[Any]
) -> None:
    assert retracted(script, first, second) == shown


def test_what_a_third_attempt_repeats_is_what_was_told_last(script: Script) -> None:
    start(script, "custom")
    at = 4
    for attempt, told in enumerate(([1, 2, 3], [1, 8], [1, 8, 3]), 1):
        script.write("r", at, events(script, *told, attempt=attempt), last=at + len(told) - 1)
        at += len(told)
        if attempt < 3:
            script.write("r", at, AttemptRetracted((), "says", attempt, "gone"))
            at += 1
    script.finish("r", at)
    assert read(script, stream_mode="custom") == [1, 2, 3, 8, 3]


def test_a_try_may_say_what_the_one_before_it_said(script: Script) -> None:
    """A retraction takes back what its own try said: that alone is left out when it comes again."""
    start(script, "custom")
    script.write("r", 4, events(script, 1, 2), last=5)
    script.write("r", 6, TaskRetried((), "says", 1, describe(ValueError("once"), script.codec), 0.0))
    script.write("r", 7, events(script, 1, 2, attempt=2), last=8)
    script.write("r", 9, AttemptRetracted((), "says", 2, "gone"))
    script.write("r", 10, events(script, 1, 2, 3, attempt=3), last=12)
    script.finish("r", 13)
    assert read(script, stream_mode="custom") == [1, 2, 1, 2, 3]


def test_v2_says_where_an_attempt_was_retracted_and_which_one_goes_on(script: Script) -> None:
    items = retracted(script, [1, 2], [1, 9], version="v2")
    assert items == [
        {"type": "custom", "ns": (), "data": 1},
        {"type": "custom", "ns": (), "data": 2},
        {"type": "retracted", "ns": (), "data": {"id": "says", "name": "says", "attempt": 1}},
        {"type": "custom", "ns": (), "data": 9, "attempt": 2},
    ]


# -- messages ---------------------------------------------------------------------------------------


def spoken(script: Script, *words: Any, attempt: int = 1, n: int = 0) -> Emitted:
    """What a node tells that calls a model: text for a chunk, a message for a whole one."""
    items: list[bytes] = []

    def emit(kind: int, payload: Any, header: Any) -> None:
        items.append(wire.encode_item(script.codec, kind, payload, header))

    call = ModelCall(emit, attempt, {"langgraph_node": "says"})
    for word in words:
        if isinstance(word, str):
            call.put(CHUNK, AIMessageChunk(word, id="m"))  # type: ignore[call-arg]
        else:
            call.put(WHOLE, word)
    return Emitted("says", attempt, n, "w", items)


def test_a_message_whose_chunks_were_shown_is_not_shown_as_a_whole(script: Script) -> None:
    start(script, "messages")
    burst = spoken(script, "a", "b", AIMessage("ab", id="m"), AIMessage("other", id="n"), AIMessage("other", id="n"))
    script.write("r", 4, burst, last=8)
    script.finish("r", 9)
    assert [message.content for message, _ in read(script, stream_mode="messages")] == ["a", "b", "other"]


def test_a_message_that_only_the_lost_attempt_had_shown_is_news_again(script: Script) -> None:
    start(script, "messages")
    script.write("r", 4, spoken(script, AIMessage("first", id="1"), AIMessage("second", id="2")), last=5)
    script.write("r", 6, AttemptRetracted((), "says", 1, "gone"))
    again = spoken(script, AIMessage("other", id="1"), AIMessage("second", id="2"), attempt=2)
    script.write("r", 7, again, last=8)
    script.finish("r", 9)
    contents = [message.content for message, _ in read(script, stream_mode="messages")]
    assert contents == ["first", "second", "other", "second"]


# -- subgraphs --------------------------------------------------------------------------------------


def nested_run(script: Script) -> None:
    """A graph `outer` in whose node `inner` a subgraph tells something and writes."""
    from tests.client.graphs import GRAPHS

    program, ns = GRAPHS["outer"].program, ("inner:t1",)
    facts = [*begun(program, recorded=("custom",), subgraphs=True)]
    facts.append(PlanMade((), 1, 25, [PlannedTask("t1", "inner", ("p", "inner"), ("t",))], 0.0))
    facts.append(GraphEntered(ns, "inner", {}))
    facts.append(PlanMade(ns, 1, 25, [PlannedTask("t2", "inside", ("p", "inside"), ("t",))], 0.0))
    script.write("r", 1, *facts)
    item = wire.encode_item(script.codec, 0, "from below", None)
    script.write("r", 6, Emitted("t2", 1, 0, "w", [item]))
    script.write("r", 7, TaskFinished(ns, "t2", 1, "w", [["notes", ["x"]]], 0.0))
    script.write("r", 8, StepCommitted(ns, 1, {"notes": ("s", ["x"])}, ("notes",), 0.0))
    script.finish("r", 9)


@pytest.mark.parametrize("mode", ["custom", "updates", "values", "tasks"])
def test_what_subgraphs_do_is_shown_to_those_that_ask(script: Script, mode: str) -> None:
    nested_run(script)
    shown = read(script, stream_mode=mode, subgraphs=True)
    below = [payload for ns, payload in shown if ns == ("inner:t1",)]
    assert below, "asked for"
    assert len(read(script, stream_mode=mode)) == len(shown) - len(below)


# -- values -----------------------------------------------------------------------------------------


def test_a_step_that_wrote_none_of_the_shown_keys_gives_no_values(script: Script) -> None:
    script.write("r", 1, *begun(PROGRAM), planned(1, "says"), committed(1, out=1, n=1))
    script.write("r", 5, planned(2, "says"), committed(2, n=2))
    script.finish("r", 7)
    assert read(script, stream_mode="values", output_keys=["out"]) == [{"out": 1}]
    assert read(script, stream_mode="values") == [{"out": 1, "n": 1}, {"out": 1, "n": 2}]


def test_a_key_that_holds_nothing_any_more_is_not_shown(script: Script) -> None:
    script.write("r", 1, *begun(PROGRAM), planned(1, "says"), committed(1, out=1, n=1))
    script.write("r", 5, planned(2, "says"), StepCommitted((), 2, {"n": ("x",), "out": ("s", 2)}, ("out",), 0.0))
    script.finish("r", 7)
    assert read(script, stream_mode="values")[-1] == {"out": 2}


def test_questions_stand_beside_the_values(script: Script) -> None:
    script.write("r", 1, *begun(PROGRAM), planned(1, "says"), committed(1, n=1))
    script.write("r", 5, planned(2, "says"), TaskInterrupted((), "says", 1, [Interrupt("why", "i")], 0.0))
    script.finish("r", 7, "paused")
    question = (Interrupt("why", "i"),)
    assert read(script, stream_mode="values")[-1] == {"n": 1, "__interrupt__": question}
    last = read(script, stream_mode="values", version="v2")[-1]
    assert (last["data"], last["interrupts"]) == ({"n": 1}, question)
    assert read(script)[-1] == {"__interrupt__": question}
    assert script.cluster().result("r") == {"n": 1, "__interrupt__": list(question)}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_result_holds_the_questions_of_every_item(version: str) -> None:
    output = FinalOutput(version)
    asked = [Interrupt("one", "1"), Interrupt("two", "2")]
    for question in asked:
        item: Any = {"n": 1, "__interrupt__": (question,)}
        output.add(item if version == "v1" else {"data": {"n": 1}, "interrupts": (question,)})
    result = output.result()
    found = result["__interrupt__"] if version == "v1" else result.interrupts
    assert list(found) == asked
