"""Frames of a run: their names, their data, their ids, and what `Last-Event-ID` makes of them."""

from __future__ import annotations

import json
import operator
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage

from drumline.checkpoint.memory import InMemorySaver
from drumline.graph import START, StateGraph
from drumline.types import interrupt as ask
from drumline_gateway.cursors import BEGINNING, BadEventId, Cursor, event_id, parse_last_event_id
from drumline_gateway.frames import Frame, Frames, asked_modes, drumline_modes, shown_config
from drumline_gateway.json_values import plain
from drumline_gateway.service import Item
from drumline_graph.types import Interrupt
from drumline_protocol.errors import RemoteError


def frames_of(items: Sequence[Item], asked: Any, *, cursor: Cursor = BEGINNING, **options: Any) -> list[Frame]:
    """All frames of a run for a client at `cursor`, read as a service reads it: behind `Frames.after`."""
    frames = Frames("r", asked, cursor=cursor, **options)
    positions = [item.position for item in items]
    start = 0 if frames.after is None else positions.index(frames.after) + 1
    found = frames.begin()
    for item in items[start:]:
        found += frames.item(item)
    return found + frames.end()


def shown(frames: Sequence[Frame]) -> list[tuple[str, Any]]:
    return [(frame.event, plain(frame.data)) for frame in frames]


def of_modes(*data: tuple[str, Any], ns: tuple[str, ...] = ()) -> list[Item]:
    return [Item(f"{number}.1.tag-1.", mode, ns, value) for number, (mode, value) in enumerate(data, 2)]


CHUNKS = [
    ("messages", (AIMessageChunk(content="He", id="a"), {"langgraph_node": "n"})),
    ("messages", (AIMessageChunk(content="Ho", id="b"), {"langgraph_node": "m"})),
    ("messages", (AIMessageChunk(content="llo", id="a", chunk_position="last"), {"langgraph_node": "n"})),
    ("messages", (HumanMessage("whole", id="c"), {"langgraph_node": "n"})),
    ("messages", (AIMessage("no id"), {})),
]
RUN = of_modes(
    ("values", {"x": 1}),
    *CHUNKS[:3],
    ("updates", {"n": {"x": 2}}),
    ("retracted", {"id": "t", "name": "n", "attempt": 1}),
    *CHUNKS[3:],
    ("custom", {"progress": 0.5}),
)
MODES = ["values", "messages-tuple", "messages", "updates", "custom"]


def test_metadata_first_and_end_last() -> None:
    found = shown(frames_of(of_modes(("values", {"x": 1})), "values"))
    assert found == [("metadata", {"run_id": "r", "attempt": 1}), ("values", {"x": 1}), ("end", None)]


def test_a_failed_run_ends_with_its_error() -> None:
    frames = Frames("r", None)
    frames.begin()
    frames.item(Item("2.1.t-1.", "values", (), {}))
    (last,) = frames.failed(RemoteError("ToolError", "no luck"))
    assert (last.event, last.data, last.id) == ("error", {"error": "ToolError", "message": "no luck"}, "2.1.t-1.")


def test_subgraphs_are_named_behind_the_mode() -> None:
    found = frames_of(
        of_modes(("updates", {"n": 1}), *CHUNKS[:1], ns=("sub:1", "in:2")), ["updates", "messages-tuple", "messages"]
    )
    assert [frame.event for frame in found] == [
        "metadata",
        "updates|sub:1|in:2",
        "messages|sub:1|in:2",
        "messages/metadata|sub:1|in:2",
        "messages/partial|sub:1|in:2",
        "messages/complete",
        "end",
    ]


def test_tuples_come_as_messages() -> None:
    found = shown(frames_of(of_modes(CHUNKS[0]), "messages-tuple"))
    assert found[1][0] == "messages" and len(found) == 3
    message, metadata = found[1][1]
    assert message["id"] == "a" and message["type"] == "AIMessageChunk" and message["content"] == "He"
    assert metadata == {"langgraph_node": "n"}


def test_the_old_mode_tells_messages_as_they_have_grown() -> None:
    found = shown(frames_of(of_modes(*CHUNKS), "messages"))[1:-1]
    told = [
        (event, next(iter(data)) if event == "messages/metadata" else (data[0]["type"], data[0]["content"]))
        for event, data in found
    ]
    assert told == [
        ("messages/metadata", "a"),
        ("messages/partial", ("ai", "He")),
        ("messages/metadata", "b"),
        ("messages/partial", ("ai", "Ho")),
        ("messages/partial", ("ai", "Hello")),
        ("messages/complete", ("ai", "Hello")),
        ("messages/metadata", "c"),
        ("messages/complete", ("human", "whole")),
        ("messages/complete", ("ai", "no id")),
        ("messages/complete", ("ai", "Ho")),
    ]
    assert found[0][1] == {"a": {"metadata": {"langgraph_node": "n"}}}


def test_the_old_mode_where_langchain_is_not_loaded() -> None:
    parts = [{"type": "AIMessageChunk", "id": "a", "content": text} for text in ("He", "llo")]
    found = shown(frames_of(of_modes(*(("messages", (part, {})) for part in parts)), "messages"))
    assert found[-2] == ("messages/complete", [{"type": "ai", "id": "a", "content": "Hello"}])


def test_questions_in_values_and_updates() -> None:
    asked = Interrupt({"sure": (1,)}, "i")
    items = [
        Item("2.1.t", "updates", (), {"__interrupt__": (asked,)}),
        Item("2.2.t", "values", (), {"x": 1}, (asked,)),
    ]
    shows = {"value": {"sure": [1]}, "id": "i"}
    assert shown(frames_of(items, ["values", "updates"]))[1:3] == [
        ("updates", {"__interrupt__": [shows]}),
        ("values", {"x": 1, "__interrupt__": [shows]}),
    ]


def test_an_attempt_that_is_taken_back_is_told() -> None:
    items = of_modes(("retracted", {"id": "t", "name": "n", "attempt": 2}))
    again = ("metadata", {"run_id": "r", "attempt": 3})
    assert shown(frames_of(items, "values"))[1:-1] == [again]
    told = ("retracted", {"id": "t", "name": "n", "attempt": 2})
    assert shown(frames_of(items, "values", retracted=True))[1:-1] == [again, told]


def test_names_of_tools_events() -> None:
    events = [
        {"event": "tool-started", "tool_call_id": "c", "tool_name": "t", "input": {"x": 1}},
        {"event": "tool-output-delta", "tool_call_id": "c", "delta": 1},
        {"event": "tool-finished", "tool_call_id": "c", "output": "o"},
        {"event": "tool-error", "tool_call_id": "c", "message": "bad"},
    ]
    assert [data for _, data in shown(frames_of(of_modes(*(("tools", event) for event in events)), "tools"))[1:-1]] == [
        {"event": "on_tool_start", "toolCallId": "c", "name": "t", "input": {"x": 1}},
        {"event": "on_tool_event", "toolCallId": "c", "data": 1},
        {"event": "on_tool_end", "toolCallId": "c", "output": "o"},
        {"event": "on_tool_error", "toolCallId": "c", "error": "bad"},
    ]


class State(TypedDict):
    x: Annotated[list[int], operator.add]


def asking(_state: State) -> dict[str, Any]:
    return {"x": [ask("sure?")]}


def parts_of(modes: Sequence[Any]) -> list[Item]:
    """What a graph that asks a question streams, as a service gives it."""
    builder = StateGraph(State)
    builder.add_node("asking", asking)
    builder.add_edge(START, "asking")
    graph = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t", "__secret": object()}}
    parts: Any = graph.stream({"x": [1]}, config, stream_mode=list(modes), version="v2")
    return [
        Item(f"{number}.1.t", part["type"], part["ns"], part["data"], part.get("interrupts", ()))
        for number, part in enumerate(parts, 2)
    ]


def test_checkpoints_and_debug_hold_what_a_client_may_see() -> None:
    found = shown(
        frames_of(parts_of(["checkpoints", "debug", "tasks", "values"]), ["checkpoints", "debug", "tasks", "values"])
    )
    text = json.dumps(found)
    assert "__secret" not in text and "__type__" not in text
    checkpoints = [data for event, data in found if event == "checkpoints"]
    assert checkpoints[-1]["config"]["configurable"]["thread_id"] == "t"
    assert checkpoints[-1]["parent_config"]["configurable"]["checkpoint_id"]
    (asked,) = (data for event, data in found if event == "tasks" and data.get("interrupts"))
    assert asked["interrupts"][0]["value"] == "sure?" and "response_schema" not in asked["interrupts"][0]
    assert {event for event, _ in found} == {"metadata", "checkpoints", "debug", "tasks", "values", "end"}


def test_a_config_for_clients() -> None:
    config = {"configurable": {"a": 1, "__pregel": 2}, "callbacks": [1], "tags": ["t"], "__x": 1}
    assert shown_config(config) == {"configurable": {"a": 1}, "tags": ["t"]}


def test_modes() -> None:
    assert drumline_modes(None) == ("values",) and drumline_modes("updates") == ("updates",)
    assert drumline_modes(["messages-tuple", "events", "messages", "values"]) == ("messages", "values")
    assert drumline_modes(["events"]) == () and asked_modes(["events", "events"]) == ("events",)
    with pytest.raises(ValueError, match="unknown mode 'tokens'"):
        drumline_modes(["tokens"])


# -- ids -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [MODES, ["values", "messages-tuple"], "messages", "updates", "custom"])
def test_from_each_id_on_comes_the_rest(asked: Any) -> None:
    wanted = drumline_modes(asked)
    run = [item for item in RUN if item.mode in wanted or item.mode == "retracted"]
    whole = frames_of(run, asked)
    assert frames_of(run, asked) == whole
    ids = [frame.id for frame in whole[:-1]]
    assert len(set(ids)) == len(ids) and all(ids)
    for number, frame in enumerate(whole[:-1], 1):
        assert frames_of(run, asked, cursor=parse_last_event_id(frame.id)) == whole[number:]
    assert frames_of(run, asked, cursor=parse_last_event_id(whole[-1].id)) == whole[-1:]


@given(st.lists(st.sampled_from([item for item in RUN if item.mode != "retracted"])), st.data())
def test_cut_anywhere_any_number_of_times(drawn: list[Item], data: st.DataObject) -> None:
    run = [Item(f"{number}.1.t", item.mode, item.ns, item.data) for number, item in enumerate(drawn)]
    whole, read, cursor = frames_of(run, MODES), [], BEGINNING
    while not read or read[-1].event != "end":
        rest = frames_of(run, MODES, cursor=cursor)
        taken = rest[: data.draw(st.integers(1, len(rest)))]
        read += taken
        cursor = parse_last_event_id(taken[-1].id)
    assert read == whole


def test_a_place_that_the_run_never_had() -> None:
    (last,) = frames_of(RUN, "messages", cursor=Cursor("99.1.tag", 0))
    assert last.event == "error" and last.data["error"] == "BadEventId"


@pytest.mark.parametrize("text", [None, "", "-1", "0"])
def test_the_beginning(text: str | None) -> None:
    assert parse_last_event_id(text) == BEGINNING


@given(st.none() | st.just("12.3.ab12cd34-5.") | st.just("17"), st.integers(0, 999))
def test_ids_are_read_back(after: str | None, frames: int) -> None:
    assert parse_last_event_id(event_id(after, frames)) == (after, frames)


@pytest.mark.parametrize(
    "text",
    [
        *("$", "abc", "-2", "0-0", "1+", "+1", "1+1+1", "1+-1", "1+1e3", "1+99999999", "x" * 2**20, "1." * 200),
        *("1\x00", "1\n2", " 1.1.a", "1.1.a\u0661", "\u0661", "1.1.a;b", "../1.1"),
    ],
)
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(BadEventId) as refused:
        parse_last_event_id(text)
    assert len(str(refused.value)) < 1200


@given(st.text())
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        cursor = parse_last_event_id(text)
    except BadEventId:
        return
    assert parse_last_event_id(event_id(*cursor)) == cursor
