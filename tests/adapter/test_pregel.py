"""`Pregel` graphs that were made by hand: input and output channels, single or several, and default modes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.channels import EphemeralValue, LastValue, Topic
from langgraph.pregel import NodeBuilder, Pregel

from drumline.langgraph import adapt


def made(**options: Any) -> Any:
    first = NodeBuilder().subscribe_only("a").do(lambda text: text + text).write_to("b")
    second = NodeBuilder().subscribe_only("b").do(lambda text: f"{text}!").write_to("c")
    channels: dict[str, Any] = {"a": EphemeralValue(str), "b": LastValue(str), "c": LastValue(str)}
    return Pregel(
        nodes={"first": first, "second": second},
        channels=channels,
        **{"input_channels": "a", "output_channels": "c", **options},
    )


def collecting() -> Any:
    """A graph that collects what its nodes write."""
    first = NodeBuilder().subscribe_only("a").do(lambda text: text + text).write_to("b", "seen")
    second = NodeBuilder().subscribe_only("b").do(lambda text: f"{text}!").write_to("seen")
    return Pregel(
        nodes={"first": first, "second": second},
        channels={"a": EphemeralValue(str), "b": EphemeralValue(str), "seen": Topic(str, accumulate=True)},
        input_channels="a",
        output_channels="seen",
    )


GRAPHS: dict[str, Any] = {
    "one output": lambda: made(),
    "a list of one": lambda: made(output_channels=["c"]),
    "several": lambda: made(output_channels=["b", "c"]),
    "streams more": lambda: made(stream_channels=["a", "b", "c"]),
    "streams another": lambda: made(stream_channels="b"),
    "input by name": lambda: made(input_channels=["a"]),
    "collecting": collecting,
}
CALLS: dict[str, Any] = {
    "invoke": lambda graph, given: graph.invoke(given),
    "ainvoke": lambda graph, given: asyncio.run(graph.ainvoke(given)),
    "batch": lambda graph, given: graph.batch([given, given]),
    "default mode": lambda graph, given: list(graph.stream(given)),
    "updates": lambda graph, given: list(graph.stream(given, stream_mode="updates")),
    "two modes": lambda graph, given: list(graph.stream(given, stream_mode=["values", "updates"])),
    "subgraphs": lambda graph, given: list(graph.stream(given, stream_mode="values", subgraphs=True)),
    "v2": lambda graph, given: list(graph.stream(given, stream_mode=["values", "updates"], version="v2")),
    "v2 output": lambda graph, given: graph.invoke(given, version="v2"),
    "updates of invoke": lambda graph, given: graph.invoke(given, stream_mode="updates"),
    "keys": lambda graph, given: graph.invoke(given, output_keys=["a", "seen"] if "seen" in graph.channels else ["b"]),
    "one key": lambda graph, given: list(graph.stream(given, output_keys="a", stream_mode=["values", "updates"])),
}


@pytest.mark.parametrize("strict", [False, True], ids=["by reference", "strict"])
@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("how", CALLS)
def test_calls_give_what_they_give_in_langgraph(how: str, name: str, strict: bool) -> None:
    graph = GRAPHS[name]()
    given: Any = {"a": "x"} if name == "input by name" else "x"
    ours = adapt(graph, strict_wire=strict)
    expected, found = ((CALLS[how](each, given)) for each in (graph, _Like(ours, graph)))
    assert repr(found) == repr(expected)


class _Like:
    """The adapted graph with the channels of LangGraph's, which the calls above look at."""

    def __init__(self, ours: Any, graph: Any) -> None:
        self._ours = ours
        self.channels = graph.channels

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ours, name)


def test_an_unknown_output_key_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"Key 'z' of output_keys .* 'LangGraph': .*a, b, c"):
        adapt(made()).invoke("x", output_keys="z")
