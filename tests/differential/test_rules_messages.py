"""add_messages, MessagesState, and the `messages` mode for messages that nodes return.

docs/semantics.md §3.6 and §4. Tokens of chat models are not part of this module: no model is called here.
"""

import dataclasses
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from .engines import Engine
from .harness import ALL_MODES, same, same_outcome
from .states import chain, says

MODES = [*ALL_MODES, "messages"]
both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])


def human(text: str, id: str | None = None) -> HumanMessage:
    return HumanMessage(text, id=id)


def ai(text: str, id: str | None = None, **options: Any) -> AIMessage:
    return AIMessage(text, id=id, **options)


# -- the reducer by itself -----------------------------------------------------------------------

# left, right: given to add_messages as they are; functions, so that ids are filled into fresh
# objects.
MERGES: dict[str, Any] = {
    "append": lambda _: ([human("a", "1")], [ai("b", "2")]),
    "replace": lambda _: ([human("a", "1"), ai("b", "2")], [human("new", "1")]),
    "replace twice": lambda _: ([human("a", "1")], [ai("b", "1"), ai("c", "1")]),
    "one message": lambda _: (human("a", "1"), ai("b", "2")),
    "empty": lambda _: ([], []),
    "empty right": lambda _: ([human("a", "1")], []),
    "ids are given": lambda _: ([human("a")], [ai("b"), ai("c")]),
    "strings": lambda _: ([], ["hello", "again"]),
    "one string": lambda _: ([], "hello"),
    "tuples": lambda _: ([], [("user", "hi"), ("ai", "ho"), ("system", "s")]),
    "one tuple": lambda _: ([], ("user", "hi")),
    "dicts": lambda _: ([], [{"role": "user", "content": "hi"}, {"type": "ai", "content": "ho"}]),
    "dict with id": lambda _: ([human("a", "1")], {"role": "ai", "content": "b", "id": "1"}),
    "chunks": lambda _: ([], [AIMessageChunk("part", id="1")]),  # type: ignore[call-arg]
    "tool message": lambda _: ([], [ToolMessage("r", tool_call_id="t", id="1")]),
    "remove": lambda _: ([human("a", "1"), ai("b", "2")], [RemoveMessage("1")]),
    "remove and add": lambda _: ([human("a", "1")], [RemoveMessage("1"), ai("b", "1")]),
    "add and remove": lambda _: ([human("a", "1")], [ai("b", "2"), RemoveMessage("2")]),
    "replace and remove": lambda _: ([human("a", "1")], [ai("b", "1"), RemoveMessage("1")]),
    "remove twice": lambda _: ([human("a", "1")], [RemoveMessage("1"), RemoveMessage("1")]),
    "remove unknown": lambda _: ([human("a", "1")], [RemoveMessage("9")]),
    "remove in left": lambda _: ([RemoveMessage("9")], [ai("b", "1")]),
    "remove all": lambda e: ([human("a", "1")], [RemoveMessage(e.REMOVE_ALL_MESSAGES)]),
    "remove all between": lambda e: (
        [human("a", "1")],
        [ai("b", "2"), RemoveMessage(e.REMOVE_ALL_MESSAGES), ai("c", "3")],
    ),
    "remove all twice": lambda e: (
        [human("a", "1")],
        [
            RemoveMessage(e.REMOVE_ALL_MESSAGES),
            ai("b", "2"),
            RemoveMessage(e.REMOVE_ALL_MESSAGES),
            ai("c", "3"),
        ],
    ),
    "same id in left": lambda _: ([human("a", "1"), ai("b", "1")], [ai("c", "1")]),
    "not a message": lambda _: ([], [3]),
    "unknown role": lambda _: ([], [{"role": "martian", "content": "x"}]),
    "None": lambda _: ([], None),
    "left None": lambda _: (None, [ai("b", "1")]),
}


@pytest.mark.parametrize("kind", MERGES)
def test_add_messages(other: Engine, kind: str) -> None:
    same_outcome(lambda e: e.add_messages(*MERGES[kind](e)), other, words=False)


def test_add_messages_formats(other: Engine) -> None:
    blocks = [{"type": "text", "text": "hi"}]
    left, right = [human("a", "1")], [HumanMessage(blocks, id="2")]  # type: ignore[arg-type]

    def run(e: Engine) -> Any:
        plain = e.add_messages(left, right)
        direct = e.add_messages(left, right, format="langchain-openai")
        partial = e.add_messages(format="langchain-openai")(left, right)
        return plain, direct, partial

    same_outcome(run, other)
    same_outcome(lambda e: e.add_messages(left, right, format="unknown"), other, words=False)
    same_outcome(lambda e: e.add_messages(left), other, words=False)


# -- in a graph ----------------------------------------------------------------------------------

NODES: dict[str, Any] = {
    "one message": lambda _: {"messages": ai("hi", "1")},
    "list": lambda _: {"messages": [ai("hi", "1"), human("you", "2")]},
    "no id": lambda _: {"messages": [ai("hi"), human("you")]},
    "tuple": lambda _: {"messages": (ai("hi", "1"), human("you", "2"))},
    "dicts are not shown": lambda _: {"messages": [{"role": "ai", "content": "hi", "id": "1"}]},
    "strings are not shown": lambda _: {"messages": "hi"},
    "mixed": lambda _: {"messages": [ai("hi", "1"), ("user", "you"), "text"]},
    "system and tool": lambda _: {"messages": [SystemMessage("s", id="1"), ToolMessage("t", tool_call_id="c", id="2")]},
    "tool calls": lambda _: {"messages": [ai("", "1", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "c"}])]},
    "chunk": lambda _: {"messages": [AIMessageChunk("part", id="1")]},  # type: ignore[call-arg]
    "removal": lambda _: {"messages": [RemoveMessage("q")]},
    "removal of all": lambda e: {"messages": [RemoveMessage(e.REMOVE_ALL_MESSAGES), ai("only", "1")]},
    "replacement": lambda _: {"messages": [human("other question", "q")]},
    "the same again": lambda _: {"messages": [ai("hi", "1"), ai("hi", "1")]},
    "unknown key": lambda _: {"zz": ai("hidden", "1")},
    "command": lambda e: e.Command(update={"messages": [ai("hi", "1")]}),
    "command with pairs": lambda e: e.Command(update=[("messages", [ai("hi", "1")])]),
    "commands": lambda e: [
        e.Command(update={"messages": [ai("one", "1")]}),
        e.Command(update={"messages": [ai("two", "2")]}),
    ],
    "overwrite": lambda e: {"messages": e.Overwrite([ai("over", "1")])},
    "nothing": lambda _: None,
    "unknown removal": lambda _: {"messages": [RemoveMessage("nobody")]},
}


def chat(kind: str) -> Any:
    def build(e: Engine) -> Any:
        def node(_: Any, writer: e.StreamWriter) -> Any:
            writer("before")
            return NODES[kind](e)

        return chain(
            e,
            node,
            lambda s: {"messages": [ai(f"{len(s['messages'])} seen", "last")]},
            state=e.MessagesState,
        )

    return build


QUESTION = {"messages": [{"role": "user", "content": "question", "id": "q"}]}


@both_ways
@pytest.mark.parametrize("kind", NODES)
def test_messages_that_nodes_return(other: Engine, kind: str, use_async: bool) -> None:
    same(chat(kind), other, QUESTION, MODES, exact=True, words=False, use_async=use_async)
    same(chat(kind), other, QUESTION, ["messages"], exact=True, words=False, use_async=use_async)


def test_first_ids_are_the_ids_in_state(other: Engine) -> None:
    """A message without id is shown under the id that it has in the state."""
    stream = same(chat("no id"), other, QUESTION, ["messages", "values"], exact=True)
    shown = [message.id for message, _ in stream.payloads("messages")]
    kept = [message.id for message in stream.payloads("values")[-1]["messages"]]
    assert shown == kept[1:]


def test_seen_messages_are_not_repeated(other: Engine) -> None:
    """Neither what stood in the node's input, nor what an earlier step has shown."""

    def build(e: Engine) -> Any:
        def again(state: Any) -> Any:
            return {"messages": [*state["messages"], ai("one more", "m")]}

        return chain(
            e,
            again,
            again,
            lambda _: {"messages": [ai("back", "m"), ai("new", "n")]},
            state=e.MessagesState,
        )

    stream = same(build, other, QUESTION, MODES, exact=True)
    assert [m.id for m, _ in stream.payloads("messages")] == ["m", "n"]


def test_messages_in_other_keys_and_forms(other: Engine) -> None:
    def build(e: Engine) -> Any:
        class State(TypedDict):
            messages: Annotated[list[AnyMessage], e.add_messages]
            single: AnyMessage
            plain: list
            deep: dict

        def node(_: Any) -> Any:
            return {
                "single": ai("single", "s"),
                "plain": [ai("p1", "p1"), "text", ai("p2", "p2")],
                "deep": {"list": [ai("deep", "d")]},
            }

        return chain(e, node, lambda s: {"single": s["plain"][0]}, state=State)

    same(build, other, QUESTION, MODES, exact=True)


def test_messages_in_schema_classes(other: Engine) -> None:
    import pydantic

    def build(e: Engine, kind: str) -> Any:
        if kind == "pydantic":

            class State(pydantic.BaseModel):
                messages: Annotated[list[AnyMessage], e.add_messages] = []
        else:

            @dataclasses.dataclass
            class State:  # type: ignore[no-redef]
                messages: Annotated[list[AnyMessage], e.add_messages] = dataclasses.field(default_factory=list)

        def node(state: Any) -> Any:
            return State(messages=[*state.messages, ai("hi", "1")])

        return chain(e, node, says("x"), state=State)

    for kind in ("pydantic", "dataclass"):
        same(lambda e, kind=kind: build(e, kind), other, QUESTION, MODES, exact=True)  # type: ignore[misc]


@both_ways
@pytest.mark.parametrize("subgraphs", [False, True])
def test_messages_of_subgraphs(other: Engine, subgraphs: bool, use_async: bool) -> None:
    """Without subgraphs the parent node shows the child's messages as its own."""

    def build(e: Engine) -> Any:
        child = chain(
            e,
            lambda _: {"messages": [ai("c1", "c1"), ai("no id")]},
            lambda _: {"messages": [ai("c2", "c2")]},
            state=e.MessagesState,
        )
        return chain(e, child, lambda _: {"messages": [ai("z", "z")]}, child, state=e.MessagesState)

    for modes in (MODES, ["messages"]):
        same(
            build,
            other,
            QUESTION,
            modes,
            exact=True,
            subgraphs=subgraphs,
            use_async=use_async,
        )


@pytest.mark.parametrize("subgraphs", [False, True])
def test_messages_of_called_graphs(other: Engine, subgraphs: bool) -> None:
    def build(e: Engine) -> Any:
        child = chain(e, lambda _: {"messages": [ai("c", "c")]}, state=e.MessagesState)

        def call(state: Any) -> Any:
            found = child.invoke(state)["messages"]
            again = list(child.stream({"messages": []}, stream_mode="messages"))
            return {"messages": [*found, ai(str(len(again)), "n")]}

        return chain(e, call, state=e.MessagesState)

    same(build, other, QUESTION, MODES, exact=True, subgraphs=subgraphs)


def test_messages_of_parallel_and_sent_tasks(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def sent(state: Any) -> Any:
            return {"messages": [ai(f"sent {state['n']}", f"s{state['n']}")]}

        builder = e.StateGraph(e.MessagesState)
        for name in ("a", "b"):
            builder.add_node(name, lambda _, name=name: {"messages": [ai(name, name)]})
            builder.add_edge(e.START, name)
        builder.add_node("sent", sent)
        builder.add_conditional_edges(e.START, lambda _: [e.Send("sent", {"n": i, "messages": []}) for i in range(3)])
        return builder.compile()

    stream = same(build, other, QUESTION, MODES)
    assert len(stream.payloads("messages")) == 5


def test_metadata_of_messages(other: Engine) -> None:
    """Where a message came from: step, node, triggers, path, namespace, and the user's own keys."""

    def build(e: Engine) -> Any:
        return (
            e.StateGraph(e.MessagesState)
            .add_node("n", lambda _: {"messages": [ai("hi", "1")]}, metadata={"of": "node"})
            .add_conditional_edges(e.START, lambda _: [e.Send("n", {}), e.Send("n", {})])
            .compile()
        )

    config = {"metadata": {"m": 1}, "tags": ["t"], "configurable": {"thread_id": "t1", "k": 2}}
    stream = same(build, other, QUESTION, ["messages", "tasks"], config=config)
    _, metadata = stream.payloads("messages")[0]
    assert {"langgraph_step", "langgraph_node", "langgraph_triggers"} <= set(metadata)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_messages_without_messages(other: Engine, version: str) -> None:
    from .states import EMPTY

    same(lambda e: chain(e, says("1")), other, EMPTY, ["messages", "tasks"], exact=True)
    same_outcome(lambda e: chat("list")(e).invoke(QUESTION, stream_mode="messages", version=version), other)


@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("name", ["n", "another"])
def test_metadata_of_what_a_subgraph_returns(other: Engine, name: str, subgraphs: bool) -> None:
    """A graph that has the name of its node speaks for the node: its messages have the metadata of its own run."""

    def build(e: Engine) -> Any:
        inner = e.StateGraph(e.MessagesState).add_node("m", says_hi).add_edge(e.START, "m").compile(name=name)
        middle = e.StateGraph(e.MessagesState).add_node("n", inner).add_edge(e.START, "n").compile(name=name)
        return e.StateGraph(e.MessagesState).add_node("n", middle).add_edge(e.START, "n").compile()

    def says_hi(_: Any) -> Any:
        return {"messages": [ai("hi", "1")]}

    stream = same(build, other, QUESTION, MODES, exact=True, subgraphs=subgraphs)
    ((_, metadata),) = [item.payload for item in stream.items if item.mode == "messages"]
    assert metadata["langgraph_node"] == ("m" if subgraphs else "n")
