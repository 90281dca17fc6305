"""Messages as blocks that begin, grow and end: as LangChain makes them of a model's chunks, and never two at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models._compat_bridge import chunks_to_events
from langchain_core.language_models.chat_model_stream import ChatModelStream
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGenerationChunk

from drumline_gateway.json_values import plain
from drumline_gateway.message_blocks import MessageBlocks

METADATA = {
    "langgraph_node": "model",
    "langgraph_step": 1,
    "langgraph_checkpoint_ns": "model:task-1",
    "ls_provider": "p",
}


def told(messages: Sequence[Any], *, ended: bool = True) -> list[dict[str, Any]]:
    """What is told of these messages of one task."""
    blocks = MessageBlocks()
    found = [one.data for message in messages for one in blocks.add((), plain(message), METADATA)]
    return found + [one.data for one in blocks.end()] if ended else found


def piece(text: str = "", calls: Sequence[Any] = (), **rest: Any) -> AIMessageChunk:
    shown = [
        {"type": "tool_call_chunk", "index": i, "id": id_, "name": name, "args": args} for i, id_, name, args in calls
    ]
    return AIMessageChunk(content=text, id="lc_run--1", tool_call_chunks=cast("Any", shown), **rest)


TALK = [
    piece("Let "),
    piece("me see."),
    piece("", usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}),
]
CALLS = [
    *TALK,
    piece(calls=[(0, "a", "look", "")]),
    piece(calls=[(0, None, None, '{"at":')]),
    piece(calls=[(0, None, None, ' "x"}')]),
    piece(calls=[(1, "b", "find", '{"n": 1}')]),
    piece("", chunk_position="last", response_metadata={"finish_reason": "tool_calls"}),
]


@pytest.mark.parametrize("chunks", [TALK, CALLS], ids=["talk", "calls"])
def test_a_model_is_told_as_langchain_tells_it(chunks: list[AIMessageChunk]) -> None:
    """But for two things: a block ends where the next one begins, and ids are on every event."""
    theirs = list(
        chunks_to_events(iter([ChatGenerationChunk(message=chunk) for chunk in chunks]), message_id="lc_run--1")
    )
    ours = told(chunks)
    kinds = ("message-start", "content-block-start", "content-block-delta", "content-block-finish")
    for kind in kinds:
        mine = [event for event in ours if event["event"] == kind]
        yours = [event for event in plain(theirs) if event["event"] == kind]
        if kind == "message-start":
            assert [event["role"] for event in mine] == [event.get("role", "ai") for event in yours]
            continue
        for one in (*mine, *yours):
            for key in ("id", "run_id"):
                one.pop(key, None)
            one.get("content", {}).pop("index", None)
        assert mine == yours
    assert ours[-1].get("usage") == plain(theirs[-1]).get("usage")


def assembled(events: Sequence[dict[str, Any]]) -> Any:
    """The message that LangChain's client makes of the events."""
    stream = ChatModelStream()
    for event in events:
        stream.dispatch(event)
    return stream.output_message


def check_order(events: Sequence[dict[str, Any]]) -> None:
    """One block at a time, counted from 0, and the message around them."""
    open_at, begun = None, 0
    assert events[0]["event"] == "message-start" and events[-1]["event"] == "message-finish"
    for event in events[1:-1]:
        if event["event"] == "content-block-start":
            assert open_at is None and event["index"] == begun
            open_at, begun = event["index"], begun + 1
        else:
            assert event["index"] == open_at
            if event["event"] == "content-block-finish":
                open_at = None
    assert open_at is None


@given(st.lists(st.sampled_from("tabc"), max_size=30))
def test_pieces_that_come_mixed_are_told_one_block_after_another(order: list[str]) -> None:
    whole = {"a": '{"x": [1, 2]}', "b": '{"y": {"z": "w"}}', "c": "{}"}
    left = {name: [args[n : n + 3] for n in range(0, len(args), 3)] for name, args in whole.items()}
    begun: list[str] = []
    chunks, texts = [piece("")], ""
    for name in [*order, *(one for one in "abc" for _ in left[one])]:
        if name == "t":
            texts += "text "
            chunks.append(piece("text "))
        elif left[name]:
            first = name not in begun
            begun += [name] if first else []
            given_ = (begun.index(name), f"id-{name}" if first else None, name if first else None, left[name].pop(0))
            chunks.append(piece(calls=[given_]))
    events = told(chunks)
    check_order(events)
    finished = [event["content"] for event in events if event["event"] == "content-block-finish"]
    assert "".join(block["text"] for block in finished if block["type"] == "text") == texts
    made = {block["name"]: block["args"] for block in finished if block["type"] == "tool_call"}
    assert made == {"a": {"x": [1, 2]}, "b": {"y": {"z": "w"}}, "c": {}}
    assert {call["name"]: call["args"] for call in assembled(events).tool_calls} == made


def test_thoughts_and_pictures_are_blocks_of_their_own() -> None:
    content: list[Any] = [
        {"type": "thinking", "thinking": "hm", "index": 0},
        {"type": "text", "text": "see", "index": 1},
        {"type": "image", "base64": "AAAA", "mime_type": "image/png"},
        {"type": "odd", "field": 1},
    ]
    events = told([AIMessage(content, id="m")])
    check_order(events)
    assert [event["content"] for event in events if event["event"] == "content-block-finish"] == [
        {"type": "reasoning", "reasoning": "hm"},
        {"type": "text", "text": "see"},
        content[2],
        {"type": "non_standard", "value": content[3]},
    ]
    assert [event["content"] for event in events if event["event"] == "content-block-start"][2] == {
        "type": "image",
        "mime_type": "image/png",
    }


def test_who_speaks_is_told_and_results_of_tools_are_not() -> None:
    events = told([HumanMessage("hi", id="h"), ToolMessage("done", tool_call_id="c", id="t"), AIMessage("", id="a")])
    assert [(event["role"], event["id"]) for event in events if event["event"] == "message-start"] == [
        ("human", "h"),
        ("ai", "a"),
    ]
    assert events[0]["metadata"] == {"langgraph_node": "model", "langgraph_step": 1, "provider": "p"}


def test_a_message_ends_with_its_task_and_breaks_off_with_an_attempt() -> None:
    for failed, last in (("", "message-finish"), ("taken back", "error")):
        blocks = MessageBlocks()
        list(blocks.add((), plain(piece("half")), METADATA))
        assert not list(blocks.task_over("other", failed=failed))
        assert [one.data["event"] for one in blocks.task_over("task-1", failed=failed)][-1] == last
        assert not list(blocks.end())


def test_arguments_that_are_no_json_are_told_as_they_came() -> None:
    (block,) = [
        event["content"]
        for event in told([piece(calls=[(0, "a", "f", '{"x')])])
        if event["event"] == "content-block-finish"
    ]
    assert (block["type"], block["args"], block["name"]) == ("invalid_tool_call", '{"x', "f")
