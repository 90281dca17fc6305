"""LangGraph's own compiled graphs under drumline's handler: called by a node, and as an adapter runs them."""

import operator
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from tests.differential.engines import DRUMLINE, DRUMLINE_STRICT, LANGGRAPH, Engine
from tests.differential.harness import ALL_MODES, assert_same, record, same
from tests.differential.models import Parrot, Whole
from tests.differential.normal import Item, Recorded
from tests.differential.states import EMPTY, chain
from typing_extensions import TypedDict

from drumline.langgraph.values import COMMANDS
from drumline.views.seen import SeenMessages
from drumline_protocol.message_kinds import GIVEN
from drumline_worker.task_handler import graph_ns
from drumline_worker.tokens import TokenHandler

QUESTION = {"messages": [HumanMessage("cats", id="q")]}
joker = Parrot(prefix="joke on", tags=["joke"])


@pytest.mark.parametrize("other", [DRUMLINE, DRUMLINE_STRICT], ids=lambda engine: engine.name)
@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("how", ["bare", "config", "thread"])
def test_a_node_calls_one(other: Engine, how: str, subgraphs: bool) -> None:
    """Tokens of its models come under its namespace, if subgraphs are asked for."""
    called = chain(LANGGRAPH, lambda _: {"log": [joker.invoke("cats").content]})

    def build(e: Engine) -> Any:
        def node(_: Any, config: RunnableConfig) -> Any:
            before = Parrot().invoke("before").content
            given: Any = config if how == "config" else None
            if how == "thread":
                given = {"configurable": {"thread_id": "of its own"}}
            return {"log": [before, *called.invoke(EMPTY, given)["log"]]}

        return chain(e, node)

    stream = same(build, other, EMPTY, ["messages"], exact=True, subgraphs=subgraphs)
    assert stream.error is None
    assert {len(item.ns) for item in stream.items} == ({0, 1} if subgraphs and how != "thread" else {0})


class Heard:
    """What a handler with `commands` emits, as the `messages` view shows it."""

    def __init__(self, *, subgraphs: bool, ns: tuple[str, ...] = ()) -> None:
        self.items: list[Item] = []
        self._ns = ns
        self._seen = SeenMessages()
        self._metadata: dict[int, Any] = {}
        self.handler = TokenHandler(self._emit, ns=ns, subgraphs=subgraphs, commands=COMMANDS)

    def _emit(self, _kind: int, payload: Any, header: Any) -> None:
        if header["kind"] == GIVEN:
            self._seen.add_ids(header["ids"])
            return
        message, metadata = payload
        if metadata is not None:
            self._metadata[header["call"]] = metadata
        if self._seen.is_new(header):
            ns = tuple(header.get("ns", self._ns))
            self.items.append(Item(ns, "messages", (message, self._metadata[header["call"]])))

    def listen(self, graph: Any, input: Any) -> Recorded:
        """Run the graph with the handler in its callbacks."""
        graph.invoke(input, {"callbacks": [self.handler]})
        return Recorded(self.items)


def chat(e: Engine) -> Any:
    """Nodes that call models, return messages with and without ids, repeat what they were given, send Commands."""
    from langgraph.types import Command

    def speak(state: Any) -> Any:
        return {"messages": [*state["messages"], joker.invoke(state["messages"]), Whole().invoke("x")]}

    def unnamed(_: Any) -> Any:
        return {"messages": [AIMessage("one"), AIMessage("two")]}

    def commands(_: Any) -> Any:
        return [Command(update={"messages": [AIMessage("c", id="c")]}), Command(update={"messages": AIMessage("d")})]

    def hidden(_: Any) -> Any:
        return {"messages": [joker.invoke("cats", {"tags": ["nostream"]})]}

    inner = chain(e, speak, unnamed, state=e.MessagesState)
    return chain(e, unnamed, inner, commands, hidden, speak, state=e.MessagesState)


@pytest.mark.parametrize("subgraphs", [False, True])
def test_outputs_of_nodes(subgraphs: bool) -> None:
    """A handler with `outputs` tells what LangGraph's own stream tells, item by item."""
    reference = record(chat(LANGGRAPH), QUESTION, ["messages"], subgraphs=subgraphs)
    found = Heard(subgraphs=subgraphs).listen(chat(LANGGRAPH), QUESTION)
    assert len(found.items) > 15
    assert_same(reference, found, DRUMLINE, exact=True)


def test_ids_of_returned_messages_depend_on_the_task() -> None:
    """They are filled in where the message is, so they are those of the state."""
    heard = Heard(subgraphs=True)
    graph = chain(
        LANGGRAPH, lambda _: {"messages": [AIMessage("one"), AIMessage("two")]}, state=LANGGRAPH.MessagesState
    )
    state = graph.invoke(QUESTION, {"callbacks": [heard.handler]})
    ids = [item.payload[0].id for item in heard.items]
    assert ids == [message.id for message in state["messages"][1:]]
    assert [id_[14] for id_ in ids] == ["5", "5"], "uuid5 of task and index"


def test_functional_tasks_count_to_their_callers_graph() -> None:
    """A functional `@task` nests its namespace under its caller's, but runs in its caller's graph."""
    from langgraph.func import entrypoint, task

    @task
    def inner(text: str) -> str:
        return str(joker.invoke(text).content)

    @task
    def outer(text: str) -> str:
        return inner(text).result() + str(Parrot().invoke("outer").content)

    @entrypoint()
    def flow(text: str) -> str:
        return outer(text).result()

    def messages_of(stream: Any) -> list[tuple[Any, Any]]:
        return [(item.ns, item.payload[0].content) for item in stream.items]

    for subgraphs in (False, True):
        reference = record(flow, "cats", ["messages"], subgraphs=subgraphs)
        found = Heard(subgraphs=subgraphs).listen(flow, "cats")
        assert messages_of(found) == messages_of(reference)
        assert {item.ns for item in found.items} == {()} and found.items


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("__pregel_pull", "n"), ("p:0", "q:1")),
        (("__pregel_push", 0, False), ("p:0", "q:1")),
        (("__pregel_push", ("__pregel_pull", "n"), 0, True), ("p:0",)),
        (("__pregel_push", ("__pregel_push", ("__pregel_pull", "n"), 0, True), 1, True), ()),
        (None, ("p:0", "q:1")),
    ],
)
def test_namespace_of_a_run(path: Any, expected: tuple[str, ...]) -> None:
    metadata = {"langgraph_checkpoint_ns": "p:0|q:1|n:2"} | ({"langgraph_path": path} if path else {})
    assert graph_ns(metadata) == expected


def test_one_calls_a_graph_of_ours() -> None:
    """A node of LangGraph calls a drumline graph: the models in that report to the callbacks around the call."""

    def words(e: Engine) -> list[str]:
        called = chain(e, lambda _: {"log": [joker.invoke("cats").content]})
        outer = chain(LANGGRAPH, lambda _: {"log": called.invoke(EMPTY)["log"]})
        # In LangGraph's own child the tokens have a namespace of their own, in ours that of no graph of LangGraph's.
        items = outer.stream(EMPTY, stream_mode="messages", subgraphs=True)
        return [message.content for _, (message, _) in items]

    assert words(DRUMLINE) == words(LANGGRAPH)
    assert "".join(words(DRUMLINE)) == "joke on cats"


class Topic(TypedDict):
    log: Annotated[list, operator.add]


def test_all_modes_stay_as_they_are() -> None:
    """The variable that LangChain reads is set for nodes: LangGraph's graphs in them run as before."""
    called = chain(LANGGRAPH, lambda _: {"log": ["deep"]}, state=Topic)

    def build(e: Engine) -> Any:
        return chain(e, lambda _: {"log": called.invoke(EMPTY)["log"]})

    same(build, DRUMLINE, EMPTY, ALL_MODES, exact=True, subgraphs=False)
