"""An `EncodeError` names the node, the path as the user wrote it, and a remedy for that place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from typing_extensions import TypedDict

from drumline.config import get_stream_writer
from drumline.graph import START, StateGraph
from drumline.types import Command, Send, interrupt
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.encode_paths import of_answer, of_event
from drumline_protocol.errors import EncodeError
from drumline_protocol.facts import CUSTOM, MESSAGE


class Handle:
    """Nothing that could be written."""


@dataclasses.dataclass
class Box:
    b: Any


def joined(left: Any, right: Any) -> Any:
    return right or left


class State(TypedDict, total=False):
    a: list[Any]
    box: Box
    merged: Annotated[Any, joined]


def written(_state: State) -> Any:
    get_stream_writer()({"rows": [1, Handle()]})
    return {}


def asks(_state: State) -> Any:
    interrupt({"pick": Handle()})
    return {}


RETURNED = "what node 'n' returned"
CASES: dict[str, tuple[Callable[[State], Any], str, str, str]] = {
    "returned": (
        lambda _s: {"a": [{"x": Handle()}]},
        "what node 'n' returned",
        "state['a'][0]['x']",
        "keep it out of the state",
    ),
    "in an object": (
        lambda _s: {"box": Box([Handle()])},
        "what node 'n' returned",
        "state['box'].b[0]",
        "make it in the node",
    ),
    "by a reducer": (
        lambda _s: {"merged": Handle()},
        "what node 'n' returned",
        "state['merged']",
        "keep it out of the state",
    ),
    "a command": (
        lambda _s: Command(update={"a": [Handle()]}),
        "what node 'n' returned",
        "state['a'][0]",
        "out of the state",
    ),
    "a send": (
        lambda _s: Command(goto=Send("n", {"q": Handle()})),
        RETURNED,
        "Send('n').arg['q']",
        "send what it is made of",
    ),
    "custom": (written, "what a stream writer got in node 'n'", "event['rows'][1]", "write what a reader can use"),
    "asked": (asks, "what node 'n' returned", "interrupts[0].value['pick']", "ask with text"),
}


@pytest.mark.parametrize(("node", "place", "path", "remedy"), CASES.values(), ids=CASES)
def test_embedded_the_error_names_node_path_and_remedy(
    node: Callable[[State], Any], place: str, path: str, remedy: str
) -> None:
    graph = StateGraph(State).add_node("n", node).add_edge(START, "n").compile(strict_wire=True)
    with pytest.raises(EncodeError) as caught:
        list(graph.stream({}, {"recursion_limit": 3}, stream_mode=["custom", "values"]))
    error = caught.value
    assert (error.place, error.path) == (place, path)
    assert remedy in str(error) and str(error).startswith(f"{place}: cannot encode {path} of type ")
    assert "drumline.types.register" in str(error)


def test_a_router_and_an_input_are_named_too() -> None:
    builder = StateGraph(State).add_node("n", lambda _s: {})
    graph = builder.add_conditional_edges(START, lambda _s: [Send("n", Handle())], ["n"]).compile(strict_wire=True)
    with pytest.raises(EncodeError, match=r"what a router after START returned: cannot encode Send\('n'\)\.arg of"):
        graph.invoke({})
    with pytest.raises(EncodeError, match=r"cannot encode input\['a'\]\[0\] of .*give the graph what it is made of"):
        graph.invoke({"a": [Handle()]})


def test_of_a_message_the_part_is_named() -> None:
    for path, shown in (
        ("value[1][0].x", "message.x"),
        ("value[1][1]['k']", "metadata['k']"),
        ("value[2]", "event[2]"),
    ):
        error = of_event(EncodeError(path, "socket", "no"), MESSAGE, "n")
        assert (error.path, error.place) == (shown, "a message of a model in node 'n'")
    assert of_event(EncodeError("value[1]", "socket", "no"), CUSTOM, "n").path == "event"


def test_a_reason_that_no_registration_mends_gets_no_advice_to_register() -> None:
    assert str(EncodeError("state['a']", "list", "it contains itself")).endswith("it contains itself")


def test_what_cannot_be_found_again_keeps_its_path_and_is_placed() -> None:
    error = of_answer(EncodeError("value[3]", "x", "no"), Codec(TypeTable()), [("a", 1)], "n")
    assert str(error).startswith("what node 'n' returned: cannot encode value[3]")
