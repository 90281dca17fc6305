"""ToolNode against LangGraph's: injected arguments, commands that tools return, wrappers (docs/semantics.md §6)."""

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.tools import BaseTool, InjectedToolCallId, tool
from pydantic import BaseModel

from .engines import LANGGRAPH, Engine
from .harness import same, same_outcome
from .normal import show
from .tool_graphs import CALLS, MODES, Trouble, add, asks, both_ways, calls_same, in_a_node, own_tools

# -- injected arguments ---------------------------------------------------------------------------


def injecting(e: Engine) -> list[Any]:
    @tool
    def whole(state: Annotated[dict, e.InjectedState]) -> str:
        """See the state."""
        return f"{sorted(state)} {state['user']} {len(state['messages'])}"

    @tool
    def whole_too(x: int, state: Annotated[dict, e.InjectedState()]) -> str:
        """See the state."""
        return f"{x} {state['log']}"

    @tool
    def part(x: int, user: Annotated[str, e.InjectedState("user")]) -> str:
        """See who asks."""
        return f"{x} for {user}"

    @tool
    def optional(x: int, gone: Annotated[str | None, e.InjectedState("gone")] = "nobody") -> str:
        """See what is not there."""
        return f"{x} {gone}"

    @tool
    def missing(gone: Annotated[str, e.InjectedState("gone")]) -> str:
        """See what is not there."""
        return gone

    @tool
    def with_id(x: int, tool_call_id: Annotated[str, InjectedToolCallId]) -> str:
        """Know the call."""
        return f"{x} in {tool_call_id}"

    @tool
    def with_store(store: Annotated[Any, e.InjectedStore()]) -> str:
        """Use the store."""
        return str(store)

    @tool
    def with_runtime(x: int, runtime: e.ToolRuntime) -> str:
        """Use the runtime."""
        runtime.stream_writer({"call": runtime.tool_call_id})
        runtime.emit_output_delta("nobody hears it")
        names = [tool.name for tool in runtime.tools][:2]
        node = runtime.config["metadata"]["langgraph_node"]
        told = [runtime.execution_info.node_attempt, runtime.server_info, runtime.store, runtime.context]
        return f"{x} {runtime.state['user']} {runtime.state['log']} {names} {node} {told}"

    @tool
    def with_typed_runtime(runtime: e.ToolRuntime[None, dict]) -> str:
        """Use the runtime."""
        return str(sorted(runtime.state))

    tools = [whole, whole_too, part, optional, missing, with_id, with_store, with_runtime, with_typed_runtime]
    return tools


INJECTED: dict[str, dict[str, Any]] = {
    "whole": {},
    "whole_too": {"x": 1},
    "part": {"x": 1},
    "optional": {"x": 1},
    "missing": {},
    "with_id": {"x": 1},
    "with_store": {},
    "with_runtime": {"x": 1},
    "with_typed_runtime": {},
}
FORGED = {
    "state": {"user": "eve"},
    "user": "eve",
    "gone": "eve",
    "tool_call_id": "eve",
    "store": "eve",
    "runtime": "eve",
}


@both_ways
@pytest.mark.parametrize("name", INJECTED)
def test_injected_arguments(other: Engine, name: str, use_async: bool) -> None:
    seen = calls_same(other, injecting, (name, INJECTED[name]), use_async=use_async, words=False)
    assert (seen.error is None) == (name not in ("missing", "with_store"))


@pytest.mark.parametrize("name", INJECTED)
def test_the_model_cannot_forge_them(other: Engine, name: str) -> None:
    seen = calls_same(other, injecting, (name, INJECTED[name] | FORGED), words=False)
    assert "eve" not in show([item for item in seen.payloads("values")[-1]["messages"] if item.type == "tool"])


def test_the_model_is_not_shown_them(other: Engine) -> None:
    def schemas(e: Engine) -> Any:
        return [sorted(made.tool_call_schema.model_json_schema().get("properties", {})) for made in injecting(e)]

    text = same_outcome(schemas, other)
    assert text == "[[], ['x'], ['x'], ['x'], [], ['x'], [], ['x'], []]"


@pytest.mark.parametrize("name", [*INJECTED])
def test_markers_of_langgraph(other: Engine, name: str) -> None:
    """A tool that was written for LangGraph gets the same in a tool node of the other engine."""
    calls_same(other, lambda _: injecting(LANGGRAPH), (name, INJECTED[name]), words=False)


@pytest.mark.filterwarnings("ignore:Pydantic serializer")  # LangGraph's runtime is dumped with the arguments
@pytest.mark.parametrize("name", ["history", "keys", "part", "with_typed_runtime"])
def test_state_from_a_list_of_messages(other: Engine, name: str) -> None:
    def run(e: Engine) -> Any:
        @tool
        def history(messages: Annotated[list, e.InjectedState("messages")]) -> str:
            """See the messages."""
            return str(len(messages))

        @tool
        def keys(state: Annotated[dict, e.InjectedState]) -> str:
            """See the state."""
            return str(sorted(state))

        return in_a_node(e, e.ToolNode([history, keys, *injecting(e)]), asks((name, INJECTED.get(name, {}))))

    text = same_outcome(run, other, words=False)
    assert ("raised" in text) == (name in ("part", "with_typed_runtime"))


@pytest.mark.parametrize("name", ["part", "optional", "missing"])
def test_state_that_is_an_object(other: Engine, name: str) -> None:
    def build(e: Engine) -> Any:
        class Model(BaseModel):
            messages: Annotated[list[AnyMessage], e.add_messages]
            user: str = "ann"
            log: list[str] = []

        node = e.ToolNode(injecting(e))
        return e.StateGraph(Model).add_node("tools", node).add_edge(e.START, "tools").compile()

    same(build, other, {"messages": asks((name, INJECTED[name]))}, words=False)


def test_marked_twice(other: Engine) -> None:
    @tool
    def twice(x: Annotated[int, other.InjectedState("user"), other.InjectedState("log")]) -> str:
        """Do it twice."""
        return str(x)

    with pytest.raises(ValueError, match="more than once"):
        other.ToolNode([twice])


# -- commands -------------------------------------------------------------------------------------


def commanding(e: Engine) -> list[Any]:
    def answer(id: str, text: str = "done") -> ToolMessage:
        return ToolMessage(text, tool_call_id=id, id=f"t-{id}")

    @tool
    def update(tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
        """Update the state."""
        return e.Command(update={"log": ["updated"], "messages": [answer(tool_call_id)]})

    @tool
    def goes(tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
        """Go on to another node."""
        return e.Command(update={"messages": [answer(tool_call_id)]}, goto="other")

    @tool
    def sends(tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
        """Send to another node."""
        return e.Command(update={"messages": [answer(tool_call_id)]}, goto=[e.Send("other", {}), e.Send("other", {})])

    @tool
    def several(tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
        """Give a list."""
        return [e.Command(update={"log": ["one"]}), answer(tool_call_id), e.Command(goto="other")]

    @tool
    def as_dict(tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
        """Answer with a dict."""
        message = {"role": "tool", "content": "dict", "tool_call_id": tool_call_id, "id": "d"}
        return e.Command(update={"messages": [message]})

    @tool
    def clears() -> Any:
        """Forget all."""
        from langchain_core.messages import RemoveMessage

        return e.Command(update={"messages": [RemoveMessage(e.REMOVE_ALL_MESSAGES)]})

    @tool
    def no_answer() -> Any:
        """Do not answer the call."""
        return e.Command(update={"log": ["silent"]})

    @tool
    def answers_twice(tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
        """Answer the call twice."""
        return [answer(tool_call_id), e.Command(update={"messages": [answer(tool_call_id)]})]

    @tool
    def a_list() -> Any:
        """Update with a list."""
        return e.Command(update=[("log", ["x"])])

    return [add, update, goes, sends, several, as_dict, clears, no_answer, answers_twice, a_list]


COMMANDS: dict[str, tuple[str, ...]] = {
    "update": ("update",),
    "goto": ("goes",),
    "sends": ("sends",),
    "several": ("several",),
    "dict message": ("as_dict",),
    "remove all": ("clears",),
    "among messages": ("add", "update", "add", "goes"),
    "no answer": ("no_answer",),
    "two answers": ("answers_twice",),
    "list update": ("a_list",),
}


@both_ways
@pytest.mark.parametrize("name", COMMANDS)
def test_commands(other: Engine, name: str, use_async: bool) -> None:
    calls = [(tool, {"a": 1, "b": 2} if tool == "add" else {}) for tool in COMMANDS[name]]
    seen = calls_same(other, commanding, *calls, use_async=use_async, words=False)
    assert (seen.error is None) == (name not in ("no answer", "two answers", "list update"))


def test_commands_of_langgraph(other: Engine) -> None:
    calls_same(other, lambda _: commanding(LANGGRAPH), ("sends", {}))


def leaving(e: Engine) -> list[Any]:
    @tool
    def leaves(tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
        """Hand over to another agent."""
        answer = ToolMessage("handed over", tool_call_id=tool_call_id, id="t")
        return e.Command(graph=e.Command.PARENT, goto="other", update={"messages": [answer]})

    @tool
    def sends_away(n: int) -> Any:
        """Hand tasks over."""
        return e.Command(graph=e.Command.PARENT, goto=[e.Send("other", {"user": f"u{n}"})])

    @tool
    async def asends_away(n: int) -> Any:
        """Hand tasks over, in time."""
        return e.Command(graph=e.Command.PARENT, goto=[e.Send("other", {"user": f"a{n}"})])

    return [leaves, sends_away, asends_away]


def parent_of(e: Engine) -> Any:
    class State(TypedDict):
        messages: Annotated[list[AnyMessage], e.add_messages]
        log: Annotated[list[str], operator.add]

    child = e.StateGraph(State).add_node("tools", e.ToolNode(leaving(e))).add_edge(e.START, "tools").compile()
    graph = e.StateGraph(State).add_node("child", child)
    graph.add_node("other", lambda state: {"log": [str(state.get("user", "other"))]})
    return graph.add_edge(e.START, "child").compile()


@pytest.mark.parametrize("calls", [["leaves"], ["sends_away"], ["sends_away", "sends_away"]], ids="+".join)
def test_commands_to_the_parent(other: Engine, calls: list[str]) -> None:
    made = [(name, {} if name == "leaves" else {"n": number}) for number, name in enumerate(calls)]
    # An async tool is among the node's, so LangGraph's sync stream will do only because none of it is called.
    same(parent_of, other, {"messages": asks(*made), "log": []}, MODES)


@both_ways
@pytest.mark.parametrize("handling", [True, False])
def test_interrupt_in_a_tool(other: Engine, handling: bool, use_async: bool) -> None:
    """A question is never an error, whatever is handled."""

    def make(e: Engine) -> list[Any]:
        @tool
        def asks() -> str:
            """Ask somebody."""
            return str(e.interrupt("really?"))

        return [asks]

    seen = calls_same(other, make, ("asks", {}), node={"handle_tool_errors": handling}, use_async=use_async)
    assert any("__interrupt__" in update for update in seen.payloads("updates"))


# -- wrappers -------------------------------------------------------------------------------------


def doubling(request: Any, execute: Any) -> Any:
    changed = {**request.tool_call, "args": {name: 2 * value for name, value in request.tool_call["args"].items()}}
    return execute(request.override(tool_call=changed))


async def adoubling(request: Any, execute: Any) -> Any:
    changed = {**request.tool_call, "args": {name: 2 * value for name, value in request.tool_call["args"].items()}}
    return await execute(request.override(tool_call=changed))


def retrying(request: Any, execute: Any) -> Any:
    first, second = execute(request), execute(request)
    return ToolMessage(f"{first.content} {second.content}", tool_call_id=request.tool_call["id"], name="add")


def short_cut(request: Any, _execute: Any) -> Any:
    known = None if request.tool is None else request.tool.name
    return ToolMessage(f"not run: {known} {request.state['user']}", tool_call_id=request.tool_call["id"])


def raising(_request: Any, _execute: Any) -> Any:
    raise Trouble("in the wrapper")


def lending(request: Any, execute: Any) -> Any:
    return execute(request.override(tool=add, tool_call={**request.tool_call, "name": "add"}))


WRAPPERS: dict[str, dict[str, Any]] = {
    "change": {"wrap_tool_call": doubling},
    "twice": {"wrap_tool_call": retrying},
    "short cut": {"wrap_tool_call": short_cut},
    "raises": {"wrap_tool_call": raising},
    "raises, handled": {"wrap_tool_call": raising, "handle_tool_errors": True},
    "raises another, handled": {"wrap_tool_call": raising, "handle_tool_errors": (KeyError,)},
    "another tool": {"wrap_tool_call": lending},
    "both": {"wrap_tool_call": short_cut, "awrap_tool_call": adoubling},
}


@both_ways
@pytest.mark.parametrize("name", WRAPPERS)
@pytest.mark.parametrize("called", ["add", "nothing"])
def test_wrappers(other: Engine, name: str, called: str, use_async: bool) -> None:
    calls = ((called, {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4}))
    calls_same(other, lambda _: [add], *calls, node=WRAPPERS[name], use_async=use_async)


def test_async_wrapper_only(other: Engine) -> None:
    node = {"awrap_tool_call": adoubling}
    calls_same(other, lambda _: [add], CALLS[0], node=node, use_async=True)
    own_tools(other)
    calls_same(other, lambda _: [add], CALLS[0], node=node, use_async=True, other_async=False)


class Counted(BaseTool):
    """A tool that is a class of its own and keeps count."""

    name: str = "counted"
    description: str = "Count calls."
    count: int = 0

    def _run(self, by: int) -> str:
        self.count += by
        return f"now {self.count}"


def test_tool_of_ones_own_class(other: Engine) -> None:
    made: list[Counted] = []

    def make(_: Engine) -> list[Any]:
        made.append(Counted())
        return [made[-1]]

    calls_same(other, make, ("counted", {"by": 2}), node={"wrap_tool_call": retrying})
    assert [tool.count for tool in made] == [4, 4]


# -- the state of tools that a Send calls alone -----------------------------------------------------


def seen(state: Any) -> str:
    """What a tool or wrapper was shown as the state."""
    fields = sorted(state) if isinstance(state, dict) else sorted(type(state).model_fields)
    user = state["user"] if isinstance(state, dict) else state.user
    return f"{'dict' if isinstance(state, dict) else type(state).__name__} {fields} {user}"


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("schema", ["dict", "pydantic"])
@pytest.mark.parametrize("how", ["injected", "key", "runtime", "wrapper", "async wrapper"])
@pytest.mark.parametrize("sent", ["bare call", "context", "edge"])
def test_state_of_calls(other: Engine, sent: str, how: str, schema: str) -> None:
    """Whoever asks for the state gets it, also where a Send brings the bare call: then it is read beside it."""

    def build(e: Engine) -> Any:
        class Keyed(e.MessagesState):  # type: ignore[misc,name-defined]
            user: str

        class Model(BaseModel):
            messages: Annotated[list[Any], e.add_messages]
            user: str = "nobody"

        @tool
        def whole(state: Annotated[Any, e.InjectedState]) -> str:
            """Look at the state."""
            return seen(state)

        @tool
        def key(user: Annotated[str, e.InjectedState("user")]) -> str:
            """Look at a key."""
            return user

        @tool
        def runs(runtime: e.ToolRuntime) -> str:
            """Look at the runtime."""
            return seen(runtime.state)

        @tool
        def plain() -> str:
            """Look at nothing."""
            return ""

        def wrap(request: Any, execute: Any) -> Any:
            message = execute(request)
            message.content = f"{seen(request.state)} {request.state is request.runtime.state}"
            return message

        async def awrap(request: Any, execute: Any) -> Any:
            message = await execute(request)
            message.content = seen(request.state)
            return message

        options: dict[str, Any] = {"wrapper": {"wrap_tool_call": wrap}, "async wrapper": {"awrap_tool_call": awrap}}
        one = {"injected": whole, "key": key, "runtime": runs}.get(how, plain)
        builder = e.StateGraph(Model if schema == "pydantic" else Keyed)
        builder.add_node("tools", e.ToolNode([one], **options.get(how, {})))

        def route(state: Any) -> Any:
            call = {"id": "1", "name": one.name, "args": {}, "type": "tool_call"}
            given = {"__type": "tool_call_with_context", "tool_call": call, "state": state}
            return "tools" if sent == "edge" else [e.Send("tools", [call] if sent == "bare call" else given)]

        return builder.add_conditional_edges(e.START, route, ["tools"]).compile()

    name = {"injected": "whole", "key": "key", "runtime": "runs"}.get(how, "plain")
    asks_one = AIMessage("", id="m", tool_calls=[{"id": "1", "name": name, "args": {}}])
    given = {"messages": [asks_one], "user": "ann"}
    stream = same(build, other, given, ["updates"], use_async=how == "async wrapper")
    assert "ann" in stream.items[0].payload["tools"]["messages"][0].content
