"""ToolNode and tools_condition against LangGraph's: inputs, outputs, errors.

docs/semantics.md §6. Here tools are called by a message that is given; agents are in test_prebuilt_agents.
"""

import dataclasses
from typing import Annotated, Any, Union

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import ToolException, tool
from pydantic import BaseModel
from tests.prebuilt.models import call

from .engines import LANGGRAPH, Engine
from .harness import record, same_outcome
from .tool_graphs import CALLS, Trouble, add, asks, both_ways, calls_same, graph_of, in_a_node, own_tools

# -- what it is given and gives -------------------------------------------------------------------


def greet(name: str) -> str:
    """Say hello."""
    return f"hello {name}"


@tool
async def aadd(a: int, b: int) -> int:
    """Add two numbers, in time."""
    return a + b


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
        text = same_outcome(lambda e, name=name: run(e, name), other, words=False)  # type: ignore[misc]
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
