"""What crosses between LangGraph's nodes and drumline's engine: control values, notes, contexts, events."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any

import pytest
from langgraph import types as theirs
from langgraph.errors import GraphInterrupt as TheirInterrupt
from langgraph.errors import ParentCommand as TheirParentCommand
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import get_runtime
from langgraph.types import Command, RetryPolicy, interrupt
from typing_extensions import TypedDict

from drumline.langgraph import adapt
from drumline.langgraph.values import our_interrupt, our_parent_command, our_value, our_writes, their_value
from drumline_graph import types as ours


class Log(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    kept: Any


def in_place(old: list[Any], new: list[Any]) -> list[Any]:
    """A reducer that changes what it is given."""
    old.extend(new)
    return old


class Placed(TypedDict, total=False):
    log: Annotated[list[Any], in_place]


def graph_of(*nodes: Any, schema: Any = Log) -> Any:
    builder = StateGraph(schema)
    before = START
    for node in nodes:
        builder.add_node(node.__name__, node).add_edge(before, node.__name__)
        before = node.__name__
    return builder


# -- control values ---------------------------------------------------------------------------------


def test_control_values_become_drumlines_wherever_they_stand() -> None:
    send, overwrite, asked = theirs.Send("n", {"a": 1}), theirs.Overwrite([1]), theirs.Interrupt("why", "i")
    assert our_value(send) == ours.Send("n", {"a": 1})
    assert our_value(overwrite) == ours.Overwrite([1])
    assert our_value(asked) == ours.Interrupt("why", "i")
    assert our_value([send, "goto"]) == [ours.Send("n", {"a": 1}), "goto"]
    assert our_value((overwrite, 2)) == (ours.Overwrite([1]), 2)
    plain = [{"a": 1}]
    assert our_value(plain) is plain


def test_a_command_is_translated_with_all_that_it_holds() -> None:
    goto = ["a", theirs.Send("b", 1)]
    for update, wanted in (
        ({"log": theirs.Overwrite([1]), "kept": 2}, {"log": ours.Overwrite([1]), "kept": 2}),
        ([("log", theirs.Overwrite([1])), ("kept", 2)], [("log", ours.Overwrite([1])), ("kept", 2)]),
        (None, None),
    ):
        command = our_value(Command(update=update, goto=goto))
        assert (type(command), command.update) == (ours.Command, wanted)
        assert command.goto == ["a", ours.Send("b", 1)]
        back = their_value(command)
        assert (type(back), back.update, list(back.goto)) == (theirs.Command, update, goto)
    assert our_value(Command(goto="a")).goto == "a"
    assert our_value(Command(graph=Command.PARENT, goto="a")).graph == ours.Command.PARENT


def test_signals_are_translated() -> None:
    asked = our_interrupt(TheirInterrupt((theirs.Interrupt("why", "i"),)))
    assert asked.args[0] == (ours.Interrupt("why", "i"),)
    left = our_parent_command(TheirParentCommand(Command(graph="any name", goto="a", update={"kept": 1})))
    assert (left.args[0].graph, left.args[0].goto, left.args[0].update) == (ours.Command.PARENT, "a", {"kept": 1})


def test_what_langgraphs_runner_notes_for_itself_is_no_write() -> None:
    notes = ["__error__", "__interrupt__", "__no_writes__", "__resume__", "__return__"]
    assert our_writes([("log", [1]), *((note, 1) for note in notes), ("kept", 2)]) == [("log", [1]), ("kept", 2)]


@pytest.mark.parametrize("strict", [False, True])
def test_a_list_of_commands_is_what_it_is_in_langgraph(strict: bool) -> None:
    def many(_: Log) -> Any:
        return [Command(update={"log": ["one"]}), Command(update={"log": theirs.Overwrite(["two"])})]

    graph = graph_of(many).compile()
    assert adapt(graph, strict_wire=strict).invoke({"log": ["zero"]}) == graph.invoke({"log": ["zero"]})


# -- reading the state ------------------------------------------------------------------------------


def test_a_router_that_reads_the_state_does_not_change_it() -> None:
    """LangGraph's routers apply the node's own writes to what they read: here to a copy."""

    def writes(_: Placed) -> dict[str, Any]:
        return {"log": ["written"]}

    seen: list[Any] = []
    builder = graph_of(writes, schema=Placed)
    builder.add_node("after", lambda state: {"log": [len(state["log"])]})
    builder.add_conditional_edges("writes", lambda state: seen.append(list(state["log"])) or "after", ["after"])
    assert adapt(builder.compile()).invoke({"log": ["given"]})["log"] == ["given", "written", 2]
    assert seen == [["given", "written"]]


def test_a_key_that_did_not_travel_is_told_by_name() -> None:
    from langgraph._internal import _constants as keys

    class Small(TypedDict, total=False):
        kept: Any

    def reads(_: Small) -> dict[str, Any]:
        from langgraph.config import get_config

        config: Any = get_config()
        return {"log": [config["configurable"][keys.CONFIG_KEY_READ]("log", False)]}

    builder = StateGraph(Log).add_node("reads", reads, input_schema=Small).add_edge(START, "reads")  # type: ignore[arg-type, call-overload]
    with pytest.raises(RuntimeError, match=r"Node 'reads' read key 'log'.*'?kept'? did\. Add the key"):
        adapt(builder.compile()).invoke({"log": ["a"], "kept": 1})


def test_a_subgraph_that_langgraph_retries_runs_as_a_whole() -> None:
    """Its node's policy holds for all of it, so it is one task."""
    tries: list[int] = []

    def stumbles(_: Log) -> dict[str, Any]:
        tries.append(len(tries))
        if len(tries) < 3:
            raise ConnectionError
        return {"log": [len(tries)]}

    inner = graph_of(stumbles).compile()
    policy = RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=3)
    graph = StateGraph(Log).add_node("sub", inner, retry_policy=policy).add_edge(START, "sub").compile()
    ours_ = adapt(graph)
    assert ours_.program.nodes["sub"].subprogram is None
    assert ours_.invoke({"log": []})["log"] == [3]


# -- functional graphs and tasks --------------------------------------------------------------------


def test_a_functional_graph_gets_its_context() -> None:
    @entrypoint(context_schema=dict)  # type: ignore[type-var]
    def flow(given: int) -> Any:
        return [given, get_runtime(dict).context]  # type: ignore[type-var]

    assert adapt(flow).invoke(1, context={"k": 2}) == [1, {"k": 2}]


def test_a_functional_graph_is_streamed_in_every_mode() -> None:
    """Mode `checkpoints` asks for a checkpointer in LangGraph; drumline records everything and has none."""
    from drumline.views import MODES

    @entrypoint()
    def flow(given: int) -> int:
        return 2 * given

    items = list(adapt(flow).stream(2, stream_mode=list(MODES)))  # type: ignore[arg-type]
    assert ("values", 4) in items and ("updates", {"flow": 4}) in items


def test_a_question_in_a_task_is_no_error_of_it() -> None:
    @task
    def asks() -> Any:
        return interrupt("why")

    def calls(_: Log) -> dict[str, Any]:
        return {"log": [asks().result()]}

    graph = adapt(graph_of(calls).compile())
    items = list(graph.stream({"log": []}, stream_mode=["tasks", "values"]))
    assert [payload["error"] for mode, payload in items if mode == "tasks" and "error" in payload] == [None]
    asked = [payload["__interrupt__"] for mode, payload in items if mode == "values" and "__interrupt__" in payload]
    assert [[question.value for question in questions] for questions in asked] == [["why"]]


def test_a_task_that_fails_shows_its_error() -> None:
    @task
    def fails() -> Any:
        raise ValueError("no")

    def calls(_: Log) -> dict[str, Any]:
        return {"log": [fails().result()]}

    graph = adapt(graph_of(calls).compile())
    stream = graph.stream({"log": []}, stream_mode="tasks")
    items = [next(stream) for _ in range(4)]
    with pytest.raises(ValueError, match="no"):
        next(stream)
    assert [(item["name"], repr(item["error"])) for item in items if "error" in item] == [
        ("fails", "ValueError('no')"),
        ("calls", "ValueError('no')"),
    ]


def test_async_tasks_are_awaited() -> None:
    @task
    async def later(number: int) -> int:
        await asyncio.sleep(0)
        return number + 1

    async def calls(_: Log) -> dict[str, Any]:
        return {"log": list(await asyncio.gather(later(1), later(2)))}

    graph = adapt(graph_of(calls).compile())
    assert asyncio.run(graph.ainvoke({"log": []}))["log"] == [2, 3]
    assert graph.invoke({"log": []})["log"] == [2, 3]


def test_a_tool_node_may_read_all_of_the_state() -> None:
    program = adapt(StateGraph(Log).add_node("tools", ToolNode([])).add_edge(START, "tools").compile()).program
    assert set(program.nodes["tools"].router_keys) >= {"log", "kept"}


@pytest.mark.parametrize("modes", [["updates"], ["tasks"], ["debug"], ["updates", "tasks", "debug"]])
@pytest.mark.parametrize("strict", [False, True])
def test_messages_of_a_called_graph_have_ids(strict: bool, modes: list[str]) -> None:
    """LangGraph's reducer names the objects that were told before: on a wire they must have their names by then."""
    from langchain_core.messages import AIMessage
    from langgraph.graph import MessagesState

    builder = StateGraph(MessagesState).add_node("says", lambda _: {"messages": [AIMessage("hi")]})
    called = builder.add_edge(START, "says").compile()

    def calls(state: MessagesState) -> dict[str, Any]:
        return {"messages": called.invoke(state)["messages"]}

    graph = adapt(StateGraph(MessagesState).add_node(calls).add_edge(START, "calls").compile(), strict_wire=strict)
    items = list(graph.stream({"messages": []}, stream_mode=[*modes, "values"], subgraphs=True))  # type: ignore[list-item]
    told = [_said(mode, payload) for ns, mode, payload in items if ns and mode != "values" and _said(mode, payload)]
    assert len(told) == len(modes) and {message.id for message in told} == {items[-1][2]["messages"][0].id}


def _said(mode: str, payload: Any) -> Any:
    """The message that a node's result tells of, in any mode."""
    payload = payload["payload"] if mode == "debug" else payload
    result = payload.get("says") if mode == "updates" else payload.get("result")
    return result["messages"][0] if result else None
