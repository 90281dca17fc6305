"""ToolNode and tools_condition against LangGraph's: inputs, errors, injected arguments, commands, wrappers.

Semantics §6. Here tools are called by a message that is given; agents are in test_prebuilt_agents.
"""

import dataclasses
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict, Union

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolCallId, ToolException, tool
from pydantic import BaseModel
from tests.prebuilt.models import call

from .engines import LANGGRAPH, Engine
from .harness import ALL_MODES, record, same, same_outcome
from .normal import show

MODES = [*ALL_MODES, "messages"]
both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
Maker = Callable[[Engine], list[Any]]


def asks(*calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """Messages, the last of which calls tools."""
    made = [call(f"c{number}", name, args) for number, (name, args) in enumerate(calls)]
    return [HumanMessage("go", id="h"), AIMessage("", id="a", tool_calls=made)]


def graph_of(e: Engine, tools: Maker, **options: Any) -> Any:
    """A graph of one tool node, with some state beside the messages."""

    class State(TypedDict):
        messages: Annotated[list[AnyMessage], e.add_messages]
        log: Annotated[list[str], operator.add]
        user: str

    node = e.ToolNode(tools(e), **options)
    graph = e.StateGraph(State).add_node("tools", node).add_node("other", lambda _: {"log": ["other"]})
    return graph.add_edge(e.START, "tools").compile()


def calls_same(
    other: Engine,
    tools: Maker,
    *calls: tuple[str, dict[str, Any]],
    node: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    given = {"messages": asks(*calls), "log": ["begin"], "user": "ann"}
    return same(lambda e: graph_of(e, tools, **(node or {})), other, given, MODES, **options)


def in_a_node(e: Engine, node: Any, given: Any) -> Any:
    """What a tool node gives that another node calls by hand."""
    seen = []

    def calls_it(_: Any, config: RunnableConfig) -> None:
        seen.append(node.invoke(given, config))

    e.StateGraph(e.MessagesState).add_node("n", calls_it).add_edge(e.START, "n").compile().invoke({"messages": []})
    return seen[0]


def own_tools(other: Engine) -> None:
    """Skip where LangGraph's own tool node runs on drumline: the test is about drumline's."""
    if other.adapts:
        pytest.skip("about drumline's own tool node")


# -- what it is given and gives -------------------------------------------------------------------


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def greet(name: str) -> str:
    """Say hello."""
    return f"hello {name}"


@tool
async def aadd(a: int, b: int) -> int:
    """Add two numbers, in time."""
    return a + b


CALLS = (("add", {"a": 1, "b": 2}), ("greet", {"name": "bob"}), ("add", {"a": 3, "b": 4}))


@both_ways
def test_calls_of_the_last_message(other: Engine, use_async: bool) -> None:
    calls_same(other, lambda _: [add, greet], *CALLS, use_async=use_async)


def test_async_tools_in_sync_streams(other: Engine) -> None:
    """LangGraph refuses; so its async stream is what is compared with."""
    own_tools(other)
    calls_same(other, lambda _: [aadd, greet], ("aadd", {"a": 1, "b": 2}), CALLS[1], use_async=True, other_async=False)


def test_by_hand(other: Engine) -> None:
    """Called with a list of messages, a state, tool calls, and nothing to do."""
    calls = [call("c0", "add", {"a": 1, "b": 2}), call("c1", "greet", {"name": "x"})]
    asked = AIMessage("", id="a", tool_calls=calls)
    given = {
        "state": {"messages": [HumanMessage("x"), asked]},
        "earlier message": {"messages": [asked, HumanMessage("x")]},
        "list": [asked],
        "calls": calls,
        "sent": {"__type": "tool_call_with_context", "tool_call": calls[0], "state": {}},
        "other key": {"chat": [asked]},
        "no call": {"messages": [AIMessage("x")]},
        "no ai message": {"messages": [HumanMessage("x")]},
        "empty": {"messages": []},
        "no key": {"other": 1},
    }

    def run(e: Engine, name: str) -> Any:
        key = "chat" if name == "other key" else "messages"
        return in_a_node(e, e.ToolNode([add, greet], messages_key=key), given[name])

    for name in given:
        text = same_outcome(lambda e, name=name: run(e, name), other, words=False)
        assert ("raised" in text) == (name in ("no ai message", "empty", "no key")), name


class Results(BaseModel):
    a: int


OUTPUTS: dict[str, Any] = {
    "number": 7,
    "text": "x",
    "empty list": [],
    "dict": {"k": [1, 2]},
    "not ascii": ["é"],
    "blocks": [{"type": "text", "text": "t"}],
    "model": Results(a=1),
    "none": None,
    "message": ToolMessage("own", tool_call_id="c0", id="t"),
    "message with dict": ToolMessage([{"type": "text", "text": "t"}], tool_call_id="c0", id="t"),
    "list of messages": [ToolMessage("own", tool_call_id="c0", id="t")],
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs(other: Engine, name: str) -> None:
    def make(_: Engine) -> list[Any]:
        @tool
        def gives() -> Any:
            """Give something."""
            value = OUTPUTS[name]
            return value.model_copy() if isinstance(value, ToolMessage) else value

        return [gives]

    calls_same(other, make, ("gives", {}))


def test_content_and_artifact(other: Engine) -> None:
    def make(_: Engine) -> list[Any]:
        @tool(response_format="content_and_artifact")
        def both() -> tuple[str, dict[str, int]]:
            """Give both."""
            return "seen", {"rows": 3}

        return [both]

    calls_same(other, make, ("both", {}))


@pytest.mark.parametrize(
    "last", [HumanMessage("x"), AIMessage("x"), asks(("add", {}))[-1]], ids=["human", "ai", "calls"]
)
@pytest.mark.parametrize("form", ["dict", "list", "object", "other key"])
def test_tools_condition(other: Engine, last: Any, form: str) -> None:
    @dataclasses.dataclass
    class State:
        messages: list[Any]

    forms: dict[str, Any] = {"dict": {"messages": [last]}, "list": [last], "object": State([last])}

    def choose(e: Engine) -> Any:
        if form == "other key":
            return e.tools_condition({"chat": [last]}, messages_key="chat")
        return e.tools_condition(forms[form])

    same_outcome(choose, other)


def test_tools_condition_without_messages(other: Engine) -> None:
    assert "ValueError" in same_outcome(lambda e: e.tools_condition({}), other, words=False)


# -- errors ---------------------------------------------------------------------------------------


class Trouble(Exception):
    pass


class WorseTrouble(Trouble):
    pass


@tool
def fails(how: str) -> str:
    """Fail as asked."""
    errors: dict[str, Exception] = {
        "value": ValueError("bad value"),
        "trouble": Trouble("deep"),
        "worse": WorseTrouble("deeper"),
        "tool": ToolException("the tool says no"),
    }
    raise errors[how]


def on_trouble(error: Trouble) -> str:
    return f"trouble: {error}"


def on_either(error: Trouble | ValueError) -> str:
    return f"either: {error}"


def on_union(error: Union[Trouble, ValueError]) -> str:  # noqa: UP007
    return f"union: {error}"


def on_any(error: Any) -> str:
    return f"any: {error}"


class Handler:
    def on_value(self, error: ValueError) -> str:
        return f"method: {error}"


HANDLINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "True": {"handle_tool_errors": True},
    "False": {"handle_tool_errors": False},
    "None": {"handle_tool_errors": None},
    "text": {"handle_tool_errors": "please try again"},
    "type": {"handle_tool_errors": Trouble},
    "types": {"handle_tool_errors": (Trouble, KeyError)},
    "no types": {"handle_tool_errors": ()},
    "function": {"handle_tool_errors": on_trouble},
    "function of a union": {"handle_tool_errors": on_union},
    "function of either": {"handle_tool_errors": on_either},
    "function without annotation": {"handle_tool_errors": lambda error: f"lambda: {error}"},
    "method": {"handle_tool_errors": Handler().on_value},
}
FAILURES: dict[str, tuple[str, dict[str, Any]]] = {
    "value error": ("fails", {"how": "value"}),
    "own error": ("fails", {"how": "trouble"}),
    "subclass": ("fails", {"how": "worse"}),
    "tool exception": ("fails", {"how": "tool"}),
    "wrong argument": ("add", {"a": "x", "b": 2}),
    "missing argument": ("add", {"a": 1}),
    "unknown tool": ("nothing", {"a": 1}),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("handling", HANDLINGS)
def test_handling_of_errors(other: Engine, handling: str, failure: str) -> None:
    seen = calls_same(other, lambda _: [add, fails], FAILURES[failure], node=HANDLINGS[handling], words=False)
    assert (seen.error is None) == is_handled(handling, failure)


def is_handled(handling: str, failure: str) -> bool:
    """The table of docs/agents.md, by hand."""
    if failure == "unknown tool" or handling in ("True", "text", "function without annotation"):
        return True
    wanted = {
        "default": ("wrong argument", "missing argument"),
        "type": ("own error", "subclass"),
        "types": ("own error", "subclass"),
        "function": ("own error", "subclass"),
        "function of a union": ("own error", "subclass", "value error"),
        "function of either": ("own error", "subclass", "value error"),
        "method": ("value error",),
    }
    return failure in wanted.get(handling, ())


@both_ways
def test_one_of_several_calls_fails(other: Engine, use_async: bool) -> None:
    node = {"handle_tool_errors": Trouble}
    calls = (CALLS[0], ("fails", {"how": "trouble"}), ("nothing", {}), CALLS[2])
    calls_same(other, lambda _: [add, fails], *calls, node=node, use_async=use_async)


def test_function_with_a_wrong_annotation(other: Engine) -> None:
    """LangGraph says so when the first error comes, drumline when the node is made."""

    def handler(error: int) -> str:
        return str(error)

    own_tools(other)
    with pytest.raises(ValueError, match="exception"):
        other.ToolNode([add], handle_tool_errors=handler)
    node = {"handle_tool_errors": handler}
    given = {"messages": asks(("add", {})), "log": [], "user": ""}
    assert isinstance(record(graph_of(LANGGRAPH, lambda _: [add], **node), given).error, ValueError)


@pytest.mark.parametrize("handling", [5, object()], ids=["number", "object"])
def test_handling_that_is_none(other: Engine, handling: Any) -> None:
    """LangGraph says so when the first error comes."""
    own_tools(other)
    with pytest.raises(ValueError, match="handle_tool_errors"):
        other.ToolNode([add], handle_tool_errors=handling)


def test_what_is_said_of_injected_arguments(other: Engine) -> None:
    """A tool's error texts speak only of what the model gave."""

    def make(e: Engine) -> list[Any]:
        @tool
        def looks(
            n: int, user: Annotated[int, e.InjectedState("user")], log: Annotated[list, e.InjectedState("log")]
        ) -> str:
            """Look at the state."""
            return f"{n} {user} {log}"

        return [looks]

    calls_same(other, make, ("looks", {"n": "many", "user": 5}))


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
