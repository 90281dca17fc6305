"""AG-UI and the AI SDK: what their own parsers make of a run."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage

from drumline_gateway.agui import AguiFrames
from drumline_gateway.cursors import BEGINNING, Cursor, parse_last_event_id
from drumline_gateway.json_patch import patch
from drumline_gateway.placing import Frame
from drumline_gateway.service import Item
from drumline_gateway.sse import frame_bytes
from drumline_gateway.vercel import UiMessageFrames
from drumline_graph.types import Interrupt
from drumline_protocol.errors import RunCancelled


def items(*rows: tuple[Any, ...]) -> list[Item]:
    return [
        Item(f"{number}.1.t", mode, tuple(rest[0]) if rest else (), data, rest[1] if len(rest) > 1 else ())
        for number, (mode, data, *rest) in enumerate(rows, 2)
    ]


def token(id_: str, content: Any = "", node: str = "model", **fields: Any) -> tuple[str, Any]:
    return ("messages", (AIMessageChunk(content=content, id=id_, **fields), {"langgraph_node": node}))


def call(id_: str, index: int, args: str, call_id: str | None = None, name: str | None = None) -> tuple[str, Any]:
    return token(id_, tool_call_chunks=[{"name": name, "args": args, "id": call_id, "index": index}])


def began(task: str, name: str) -> tuple[str, Any]:
    return ("tasks", {"id": task, "name": name, "input": {}, "triggers": ()})


def ended(task: str, name: str) -> tuple[str, Any]:
    return ("tasks", {"id": task, "name": name, "error": None, "result": {}, "interrupts": []})


AGENT = items(
    ("values", {"messages": [HumanMessage("hi", id="h")], "n": 0}),
    began("1", "model"),
    token("a", [{"type": "reasoning", "reasoning": "let me "}]),
    token("a", [{"type": "reasoning", "reasoning": "see"}]),
    token("a", "I look "),
    token("a", "it up."),
    call("a", 0, "", "c1", "search"),
    call("a", 1, "", "c2", "weather"),
    call("a", 0, '{"q": '),
    call("a", 1, '{"city": "Rome"}'),
    call("a", 0, '"x"}'),
    ended("1", "model"),
    ("values", {"messages": [HumanMessage("hi", id="h"), AIMessage("I look it up.", id="a")], "n": 1}),
    began("2", "tools"),
    began("3", "tools"),
    ("custom", {"progress": 0.5}),
    ("messages", (ToolMessage("found", tool_call_id="c1", id="t1"), {})),
    ended("2", "tools"),
    ("messages", (ToolMessage("no weather", tool_call_id="c2", id="t2", status="error"), {})),
    ended("3", "tools"),
    ("retracted", {"id": "4", "name": "model", "attempt": 1}),
    began("4", "model"),
    token("b", "Do"),
    token("b", "ne.", chunk_position="last"),
    ended("4", "model"),
    ("messages", (AIMessage("whole", id="w"), {})),
    ("values", {"messages": [], "n": 2}, (), ()),
)
TWO_AT_ONCE = items(
    began("1", "left"),
    began("2", "right"),
    token("l", "L", "left"),
    (
        "messages",
        (AIMessageChunk(content="R", id="r"), {"langgraph_node": "left", "langgraph_checkpoint_ns": "right:2"}),
    ),
    token("l", "l", "left"),
    ended("1", "left"),
    token("r", "r", "right"),
)
ASKS = items(
    ("values", {"n": 1}, (), (Interrupt("sure?", "i1"), Interrupt({"x": 1}, "i2", response_schema={"type": "string"})))
)
LATE_RESULT = items(("messages", (ToolMessage("done", tool_call_id="old", name="approve", id="t"), {})))


def agui(run: Sequence[Item], *, cursor: Cursor = BEGINNING, failure: BaseException | None = None) -> list[Frame]:
    return told(AguiFrames("r", "t", cursor=cursor), run, failure)


def ui(run: Sequence[Item], *, cursor: Cursor = BEGINNING, failure: BaseException | None = None) -> list[Frame]:
    return told(UiMessageFrames("r", cursor=cursor), run, failure)


def told(frames: Any, run: Sequence[Item], failure: BaseException | None) -> list[Frame]:
    found = frames.begin()
    for item in run:
        found += frames.item(item)
    return found + (frames.end() if failure is None else frames.failed(failure))


def types(frames: Sequence[Frame]) -> list[str]:
    return [frame.data["type"] if isinstance(frame.data, dict) else str(frame.data) for frame in frames]


# -- as they are -------------------------------------------------------------------------------------


def test_every_event_is_one_of_ag_uis() -> None:
    core = pytest.importorskip("ag_ui.core", reason="ag-ui-protocol is not installed: pip install ag-ui-protocol")
    from pydantic import TypeAdapter

    adapter = TypeAdapter(core.Event)
    for run in (AGENT, TWO_AT_ONCE, ASKS, LATE_RESULT):
        for frame in [*agui(run), *agui(run, failure=ValueError("x")), *agui(run, failure=RunCancelled("r", ""))]:
            event = adapter.validate_python(frame.data)
            assert event.model_dump(by_alias=True, exclude_none=True) == frame.data


def test_a_run_that_asks() -> None:
    finished = agui(ASKS)[-1].data
    assert finished["outcome"]["type"] == "interrupt"
    first, second = finished["outcome"]["interrupts"]
    assert (first["id"], first["message"]) == ("i1", "sure?")
    assert second["metadata"] == {"value": {"x": 1}} and second["responseSchema"] == {"type": "string"}
    assert [frame.data["data"]["id"] for frame in ui(ASKS) if frame.data != "[DONE]" and "data" in frame.data] == [
        "i1",
        "i2",
    ]


def test_calls_whose_pieces_have_no_numbers() -> None:
    """Some models send each call whole, without an index: two of them are not one."""
    whole = [
        {"name": name, "args": args, "id": id_, "index": None}
        for name, args, id_ in (("f", "{}", "c1"), ("g", '{"x"', "c2"))
    ]
    rest = [{"name": None, "args": ": 1}", "id": None, "index": None}]
    run = items(token("a", tool_call_chunks=whole), token("a", tool_call_chunks=rest, chunk_position="last"))
    calls = [frame.data for frame in ui(run) if frame.data != "[DONE]" and frame.data["type"] == "tool-input-available"]
    assert [(each["toolName"], each["input"]) for each in calls] == [("f", {}), ("g", {"x": 1})]


@pytest.mark.parametrize("strange", [["no mapping"], "text", {"a": 1}, 7])
def test_fields_of_messages_that_are_not_what_they_should_be_say_nothing(strange: Any) -> None:
    message = {"type": "ai", "id": "a", "content": "hi", "tool_calls": strange, "additional_kwargs": strange}
    assert "text-delta" in types(ui(items(("messages", (message, {})))))


def test_ends_of_runs() -> None:
    assert agui([], failure=ValueError("no"))[-1].data == {"type": "RUN_ERROR", "message": "no", "code": "ValueError"}
    assert agui([], failure=RunCancelled("r", ""))[-1].data["outcome"] == {"type": "cancelled"}
    assert types(ui(TWO_AT_ONCE, failure=ValueError("no")))[-2:] == ["error", "[DONE]"]
    assert types(ui(TWO_AT_ONCE, failure=RunCancelled("r", "")))[-2:] == ["abort", "[DONE]"]
    assert frame_bytes(ui([])[-1]).endswith(b"data: [DONE]\n\n") and b"event:" not in frame_bytes(agui([])[0])


@pytest.mark.parametrize("run", [AGENT, TWO_AT_ONCE, ASKS, LATE_RESULT], ids=["agent", "two", "asks", "late"])
@pytest.mark.parametrize("protocol", [agui, ui])
def test_from_each_id_on_comes_the_rest(protocol: Any, run: Sequence[Item]) -> None:
    whole = protocol(run)
    ids = [frame.id for frame in whole[:-1]]
    assert len(set(ids)) == len(ids)
    for number, frame in enumerate(whole[:-1], 1):
        assert protocol(run, cursor=parse_last_event_id(frame.id)) == whole[number:]


# -- by the vendors' parsers -------------------------------------------------------------------------


def node(script: str, frames: Sequence[Frame], folder: Path) -> Any:
    """What a script of tests/gateway/node prints of these frames. A loud skip where there is no Node, or no package."""
    program, modules = shutil.which("node"), os.environ.get("DRUMLINE_NODE_MODULES", "")
    if program is None or not modules:
        reason = "the vendors' parsers did not run: set DRUMLINE_NODE_MODULES to a folder with @ag-ui/client and ai"
        warnings.warn(reason, stacklevel=2)
        pytest.skip(reason)
    stream = folder / "stream"
    stream.write_bytes(b"".join(map(frame_bytes, frames)))
    made = subprocess.run(
        [program, str(Path(__file__).parent / "node" / script), modules, str(stream)],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert made.returncode == 0, made.stderr.decode()
    return json.loads(made.stdout.decode().splitlines()[-1])


def test_an_ag_ui_client_builds_messages_and_state(tmp_path: Path) -> None:
    frames = agui(AGENT)
    made = node("agui.mjs", frames, tmp_path)
    assert made["failure"] is None and made["types"] == types(frames)
    assert made["state"] == {"messages": [], "n": 2}
    shown = {message["id"]: message for message in made["messages"]}
    assert (
        shown["a"]["content"] == "I look it up."
        and shown["b"]["content"] == "Done."
        and shown["w"]["content"] == "whole"
    )
    calls = shown["a"]["toolCalls"]
    assert [(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls] == [
        ("c1", "search", {"q": "x"}),
        ("c2", "weather", {"city": "Rome"}),
    ]
    assert shown["t1"]["content"] == "found" and shown["t2"]["toolCallId"] == "c2"


@pytest.mark.parametrize("run", [TWO_AT_ONCE, ASKS, LATE_RESULT], ids=["two", "asks", "late"])
def test_an_ag_ui_client_takes_the_order_of_events(run: Sequence[Item], tmp_path: Path) -> None:
    frames = agui(run)
    made = node("agui.mjs", frames, tmp_path)
    assert made["failure"] is None and made["types"] == types(frames)
    if run is TWO_AT_ONCE:
        assert {message["id"]: message["content"] for message in made["messages"]} == {"l": "Ll", "r": "Rr"}


def test_an_ag_ui_client_is_told_of_a_failure(tmp_path: Path) -> None:
    assert node("agui.mjs", agui(TWO_AT_ONCE, failure=ValueError("no luck")), tmp_path)["failure"] == "no luck"


def test_the_ai_sdk_builds_its_message(tmp_path: Path) -> None:
    frames = ui(AGENT)
    made = node("vercel.mjs", frames, tmp_path)
    assert (made["refused"], made["failure"]) == ([], None) and made["types"] == types(frames)[:-1]
    parts = made["message"]["parts"]
    assert [part["text"] for part in parts if part["type"] == "reasoning"] == ["let me see"]
    assert [part["text"] for part in parts if part["type"] == "text"] == ["I look it up.", "Done.", "whole"]
    tools = {part["toolCallId"]: part for part in parts if part["type"].startswith("tool-")}
    assert tools["c1"]["input"] == {"q": "x"} and tools["c1"]["output"] == "found"
    assert tools["c1"]["state"] == "output-available" and tools["c2"]["errorText"] == "no weather"
    assert sum(part["type"] == "step-start" for part in parts) == 3
    assert {part["data"]["status"] for part in parts if part["type"] == "data-node"} == {"done"}


@pytest.mark.parametrize("run", [TWO_AT_ONCE, ASKS, LATE_RESULT], ids=["two", "asks", "late"])
def test_the_ai_sdk_takes_the_order_of_parts(run: Sequence[Item], tmp_path: Path) -> None:
    made = node("vercel.mjs", ui(run), tmp_path)
    assert (made["refused"], made["failure"]) == ([], None)
    if run is TWO_AT_ONCE:
        assert [part["text"] for part in made["message"]["parts"] if part["type"] == "text"] == ["Ll", "Rr"]


# -- what changed in a state -------------------------------------------------------------------------


def applied(value: Any, operations: Sequence[dict[str, Any]]) -> Any:
    """RFC 6902, as far as it is used."""
    whole: list[Any] = [copy.deepcopy(value)]
    for operation in operations:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]]
        holder: Any = whole
        last: Any = 0
        for step in steps:
            holder = holder[last]
            last = int(step) if isinstance(holder, list) and step != "-" else step
        if operation["op"] == "remove":
            del holder[last]
        elif isinstance(holder, list) and last == "-":
            holder.append(operation["value"])
        else:
            holder[last] = operation["value"]
    return whole[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("a/~-0", max_size=2), inner, max_size=3),
)


@given(JSON, JSON)
def test_a_patch_makes_the_new_of_the_old(old: Any, new: Any) -> None:
    assert json.dumps(applied(old, patch(old, new)), sort_keys=True) == json.dumps(new, sort_keys=True)
    assert patch(new, new) == []


def test_a_list_that_grows_is_not_sent_again() -> None:
    assert patch({"m": [1, 2]}, {"m": [1, 2, 3]}) == [{"op": "add", "path": "/m/-", "value": 3}]
