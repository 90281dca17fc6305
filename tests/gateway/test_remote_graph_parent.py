"""LangGraph's `RemoteGraph` as a node of a graph of LangGraph: what the child streams, asks and commands."""

from __future__ import annotations

import operator
import uuid
from typing import Annotated, Any

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import ParentCommand
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.pregel.remote import RemoteGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

INPUT: Any = {"said": ["x"]}
HI: Any = {"messages": [{"role": "user", "content": "hi", "id": "m"}]}


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]


def over(url: str, name: str, schema: Any = State) -> Any:
    """A graph of LangGraph whose node `child` is the graph behind the gateway."""
    builder = StateGraph(schema).add_node("child", RemoteGraph(name, url=url)).add_edge(START, "child")
    return builder.compile(checkpointer=InMemorySaver())


def fresh() -> Any:
    return {"configurable": {"thread_id": str(uuid.uuid4())}}


def parts(graph: Any, given: Any, *modes: str) -> list[tuple[tuple[str, ...], str, Any]]:
    """What a stream with subgraphs yields: the nodes that are named in a namespace, the mode, and what."""
    found = graph.stream(given, fresh(), stream_mode=list(modes), subgraphs=True)
    return [(tuple(part.split(":")[0] for part in ns), mode, data) for ns, mode, data in found]


def test_a_command_of_the_child_reaches_the_graph_around_its_caller(url: str) -> None:
    """A `RemoteGraph` raises it as if the node that called it had said it: so LangGraph has it (1.2)."""

    def end(state: State) -> State:
        return {"said": [f"heard {len(state['said'])}"]}

    whole = StateGraph(State).add_node("team", over(url, "up")).add_node("end", end).add_edge(START, "team")
    assert whole.compile(checkpointer=InMemorySaver()).invoke(INPUT, fresh())["said"] == ["x", "up", "heard 2"]
    with pytest.raises(ParentCommand) as raised:  # no graph is there
        RemoteGraph("up", url=url).invoke(INPUT)
    assert (raised.value.args[0].goto, raised.value.args[0].update) == (["end"], {"said": ["up"]})


def test_values_and_updates_of_the_child_are_streamed(url: str) -> None:
    found = parts(over(url, "nested"), INPUT, "values", "updates")
    deep = [("child",), ("child", "inner")]
    assert {ns for ns, _, _ in found} == {(), *deep}
    updates = [(ns, list(data)) for ns, mode, data in found if mode == "updates"]
    assert updates == [(deep[1], ["speak"]), (deep[0], ["inner"]), (deep[0], ["after"]), ((), ["child"])]
    assert [data for ns, mode, data in found if mode == "values" and ns == deep[0]][-1]["said"][-1] == "heard 3"


def test_tokens_of_the_child_are_streamed_in_its_place(url: str) -> None:
    found = parts(over(url, "chat", MessagesState), HI, "messages")
    chunks = [(ns, data[0]) for ns, _, data in found if data[0]["type"] == "AIMessageChunk"]
    assert "".join(chunk["content"] for _, chunk in chunks) == "you said hi"
    assert {ns for ns, _ in chunks} == {("child",)}


def test_custom_events_of_the_child_are_streamed(url: str) -> None:
    found = parts(over(url, "writes"), INPUT, "custom")
    assert found == [(("child",), "custom", {"progress": 0.5})]


@pytest.mark.parametrize("modes", [(), ("values",), ("messages", "custom")])
def test_a_question_of_the_child_stops_its_caller(url: str, modes: tuple[str, ...]) -> None:
    graph, config = over(url, "ask"), fresh()
    for _ in graph.stream(INPUT, config, stream_mode=list(modes) or None):
        pass
    [task] = graph.get_state(config).tasks
    assert (task.name, [each.value for each in task.interrupts]) == ("child", [{"question": "?"}])


def asked(graph: Any, config: Any) -> list[Any]:
    return [question for task in graph.get_state(config).tasks for question in task.interrupts]


@pytest.mark.parametrize("name", ["ask", "deep"])
def test_an_answer_by_the_id_of_its_question_goes_on_in_the_child(url: str, name: str) -> None:
    """`RemoteGraph` sends its caller's input once more, and the answers beside: the child must not begin anew."""
    graph, config = over(url, name), fresh()
    graph.invoke({"said": ["x"], "topic": "why"}, config)
    [question] = asked(graph, config)
    said = graph.invoke(Command(resume={question.id: "because"}), config)["said"]
    assert said == ["x", *(["x", "heard 1"] if name == "ask" else ["x", "x"]), "because"]
    assert graph.get_state(config).next == ()
    of_child = RemoteGraph(name, url=url).get_state(config)
    assert of_child.next == () and of_child.values["said"].count("because") == 1


def test_an_answer_without_an_id_stays_with_the_caller_and_the_child_asks_again(url: str) -> None:
    """LangGraph sends such an answer to nobody (1.2): the child goes on, with none."""
    graph, config = over(url, "ask"), fresh()
    graph.invoke(INPUT, config)
    first = asked(graph, config)
    graph.invoke(Command(resume="because"), config)
    assert asked(graph, config) == first
    assert RemoteGraph("ask", url=url).get_state(config).values["said"] == ["x", "heard 1"]
    assert graph.invoke(Command(resume={first[0].id: "because"}), config)["said"][-1] == "because"


def test_a_child_that_waits_for_nothing_is_called_as_ever_by_who_goes_on(url: str) -> None:
    """A caller that has gone on says so of all that it calls from then on."""

    def first(_state: State) -> State:
        return {"said": [interrupt("mine")]}

    builder: Any = StateGraph(State)
    builder.add_node("first", first).add_node("child", RemoteGraph("speak", url=url))
    builder.add_edge(START, "first").add_edge("first", "child")
    graph, config = builder.compile(checkpointer=InMemorySaver()), fresh()
    graph.invoke(INPUT, config)
    assert graph.invoke(Command(resume="yes"), config)["said"] == ["x", "yes", "x", "yes", "heard 2"]


@pytest.mark.parametrize("configurable", [{"__pregel_resuming": "yes"}, {"__pregel_resume_map": []}, {"__pregel_x": 1}])
def test_other_keys_of_that_kind_are_refused(url: str, configurable: Any) -> None:
    body = {"assistant_id": "speak", "input": INPUT, "config": {"configurable": configurable}}
    assert httpx.post(f"{url}/runs/wait", json=body).status_code == 422
