"""What tools are given and give may be anything: their events never end a run, but for what a tool itself tells."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool
from tests.differential.tools_mode_graphs import asked

from drumline.graph import START, MessagesState, StateGraph
from drumline.prebuilt import ToolNode, ToolRuntime
from drumline_protocol.errors import EncodeError


class Opaque:
    def __repr__(self) -> str:
        return "<opaque>"


@tool
def holds() -> Any:
    """Give an object that cannot cross."""
    return Opaque()


@tool(response_format="content_and_artifact")
def keeps() -> Any:
    """Give an artifact that cannot cross."""
    return "seen", Opaque()


@tool
def tells(runtime: ToolRuntime) -> str:
    """Tell a part that cannot cross."""
    runtime.emit_output_delta({"part": [Opaque()]})
    return "told"


def graph_of(action: Any) -> Any:
    builder = StateGraph(MessagesState).add_node("tools", action).add_edge(START, "tools")
    return builder.compile(strict_wire=True)


def by_hand(used: Any) -> Any:
    def node(_: Any) -> None:
        used.invoke({"type": "tool_call", "id": "c0", "name": used.name, "args": {}} if used is keeps else {})

    return graph_of(node)


def outputs(graph: Any, given: Any = None) -> list[Any]:
    items = list(graph.stream(given or {"messages": []}, stream_mode="tools"))
    assert [item["event"] for item in items] == ["tool-started", "tool-finished"]
    return [item["output"] for item in items[1:]]


def test_an_output_that_cannot_cross_is_plain() -> None:
    (output,) = outputs(by_hand(holds))
    assert "opaque" in str(output).lower() and not isinstance(output, Opaque)


def test_a_message_with_an_artifact_that_cannot_cross_is_a_message() -> None:
    (output,) = outputs(by_hand(keeps))
    assert isinstance(output, ToolMessage)
    assert (output.content, output.tool_call_id) == ("seen", "c0")
    assert not isinstance(output.artifact, Opaque)


def test_a_part_that_cannot_cross_is_an_error_of_the_tool() -> None:
    graph = graph_of(ToolNode([tells], handle_tool_errors=False))
    with pytest.raises(EncodeError, match=r"node 'tools'.*event\['delta'\]\['part'\]\[0\]"):
        list(graph.stream(asked(("tells", {})), stream_mode="tools"))


def test_a_part_of_nobodys() -> None:
    """Outside of a tool, and where nobody asked, there is nobody to tell."""
    runtime: ToolRuntime = ToolRuntime(None, None, {}, lambda _: None, None, None)
    runtime.emit_output_delta(Opaque())
    graph = graph_of(ToolNode([tells]))
    assert graph.invoke(asked(("tells", {})))["messages"][-1].content == "told"
