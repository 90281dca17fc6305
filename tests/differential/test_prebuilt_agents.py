"""create_react_agent against LangGraph's: the loop, hooks, prompts, models, states, limits.

docs/semantics.md §6. Tokens are not part of this module: the models here do not stream.
"""

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool, tool
from pydantic import BaseModel
from tests.prebuilt.models import Scripted

from .engines import LANGGRAPH, Engine
from .harness import ALL_MODES, outcome, record, same, same_outcome

MODES = [*ALL_MODES, "messages"]
HELLO = {"messages": [HumanMessage("hello", id="h")]}
both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
versions = pytest.mark.parametrize("version", ["v1", "v2"])

# LangGraph warns that the function is deprecated there.
pytestmark = pytest.mark.filterwarnings("ignore:create_react_agent has been moved", "ignore:AgentState")


def model(*turns: Any, **options: Any) -> Scripted:
    return Scripted(turns=list(turns), disable_streaming=True, **options)


def own_agents(other: Engine) -> None:
    """Skip where LangGraph's own agent runs on drumline: the test is about drumline's."""
    if other.adapts:
        pytest.skip("about drumline's own agents")


def not_strictly_adapted(other: Engine, why: str) -> None:
    """Skip where LangGraph's own agent runs with values that cross the wire."""
    if other.adapts and other.strict:
        pytest.skip(why)


def tools_of(e: Engine) -> list[Any]:
    """A sync tool, a plain function and a tool with both halves. Only the first writes: calls of one task race."""

    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        e.get_stream_writer()({"lane": "tools", "adds": [a, b]})
        return a + b

    def shout(text: str) -> str:
        """Say it loud."""
        return text.upper()

    async def afind(place: str) -> list[str]:
        return find(place)

    def find(place: str) -> list[str]:
        """List what there is."""
        return ["books", "pencils", place]

    both: BaseTool = tool(find)
    both.coroutine = afind  # type: ignore[attr-defined]
    return [add, shout, both]


LOOP = (
    [("add", {"a": 1, "b": 2}), ("shout", {"text": "hey"}), ("find", {"place": "office"})],
    [("add", {"a": 3, "b": 4})],
    "done",
)


@both_ways
@versions
def test_loop_with_parallel_calls(other: Engine, version: Any, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        return e.create_react_agent(model(*LOOP), tools_of(e), version=version)

    seen = same(build, other, HELLO, MODES, use_async=use_async)
    assert len([u for u in seen.payloads("updates") if "tools" in u]) == (4 if version == "v2" else 2)


@versions
def test_messages_and_values_one_by_one(other: Engine, version: Any) -> None:
    def build(e: Engine) -> Any:
        return e.create_react_agent(model([("add", {"a": 1, "b": 2})], "done"), tools_of(e), version=version)

    same(build, other, HELLO, ["values", "updates", "custom", "messages"], exact=True)


@versions
def test_streaming_model(other: Engine, version: Any) -> None:
    def build(e: Engine) -> Any:
        return e.create_react_agent(Scripted(turns=[*LOOP[1:2], "one two three"]), tools_of(e), version=version)

    seen = same(build, other, HELLO, ["values", "updates", "custom", "messages"], exact=True)
    assert [chunk.text for chunk, _ in seen.payloads("messages")[-4:-1]] == ["one ", "two ", "three "]


def test_name_of_the_agent_on_its_messages(other: Engine) -> None:
    """Without `messages`: there LangGraph shows the model's message, and names it afterwards."""
    seen = same(lambda e: e.create_react_agent(model(*LOOP), tools_of(e), name="helper"), other, HELLO)
    assert seen.payloads("values")[-1]["messages"][-1].name == "helper"


@both_ways
def test_without_tools(other: Engine, use_async: bool) -> None:
    same(lambda e: e.create_react_agent(model("hi"), []), other, HELLO, MODES, use_async=use_async)


def test_tool_node_in_place_of_tools(other: Engine) -> None:
    def build(e: Engine) -> Any:
        node = e.ToolNode(tools_of(e), handle_tool_errors="no luck")
        return e.create_react_agent(model(*LOOP), node)

    same(build, other, HELLO)


def test_tools_of_the_provider_are_only_shown_to_the_model(other: Engine) -> None:
    def build(e: Engine) -> Any:
        return e.create_react_agent(model("hi", echo=True), [*tools_of(e), {"type": "web_search"}])

    seen = same(build, other, HELLO)
    assert "web_search" in seen.payloads("values")[-1]["messages"][-1].text


# -- prompts --------------------------------------------------------------------------------------


def named(state: Any, config: RunnableConfig) -> list[Any]:
    return [SystemMessage(f"for {config['configurable']['user']}"), *state["messages"]]


async def anamed(state: Any, config: RunnableConfig) -> list[Any]:
    return named(state, config)


PROMPTS: dict[str, Any] = {
    "none": None,
    "text": "be brief",
    "system message": SystemMessage("be kind"),
    "function": lambda state: [*state["messages"], ("user", "and?")],
    "function with config": named,
    "runnable": RunnableLambda(lambda state: [SystemMessage("run"), *state["messages"]]),
}
CONFIG = {"configurable": {"user": "ann"}}


@both_ways
@pytest.mark.parametrize("prompt", PROMPTS)
def test_prompts(other: Engine, prompt: str, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        return e.create_react_agent(model("hi", echo=True), tools_of(e), prompt=PROMPTS[prompt])

    same(build, other, HELLO, use_async=use_async, config=CONFIG)


def test_async_prompt(other: Engine) -> None:
    def build(e: Engine) -> Any:
        return e.create_react_agent(model("hi", echo=True), tools_of(e), prompt=anamed)

    same(build, other, HELLO, use_async=True, config=CONFIG)
    own_agents(other)
    same(build, other, HELLO, use_async=True, other_async=False, config=CONFIG)


def test_prompt_that_is_none(other: Engine) -> None:
    same_outcome(lambda e: e.create_react_agent(model("hi"), [], prompt=3) and None, other, words=False)


# -- models ---------------------------------------------------------------------------------------


class Choice(TypedDict):
    fast: bool


def choose(state: Any, runtime: Any) -> Any:
    assert state["messages"]
    return model("fast" if runtime.context["fast"] else "slow")


async def achoose(state: Any, runtime: Any) -> Any:
    return choose(state, runtime)


@both_ways
@pytest.mark.parametrize("fast", [True, False])
def test_model_chosen_by_context(other: Engine, fast: bool, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        return e.create_react_agent(choose, tools_of(e), context_schema=Choice)

    same(build, other, HELLO, use_async=use_async, context={"fast": fast})


def test_model_chosen_by_an_async_function(other: Engine) -> None:
    def build(e: Engine) -> Any:
        return e.create_react_agent(achoose, tools_of(e), context_schema=Choice)

    same(build, other, HELLO, use_async=True, context={"fast": True})
    own_agents(other)
    same(build, other, HELLO, use_async=True, other_async=False, context={"fast": True})


def bound(names: Callable[[list[Any]], list[Any]]) -> Callable[[Engine], Any]:
    def build(e: Engine) -> Any:
        tools = [tool(t) if not isinstance(t, BaseTool) else t for t in tools_of(e)]
        return e.create_react_agent(model("hi", echo=True).bind_tools(names(tools)), tools)

    return build


def test_model_with_tools_bound_already(other: Engine) -> None:
    same(bound(lambda tools: tools), other, HELLO)


@pytest.mark.parametrize("names", [lambda tools: tools[:1], lambda tools: [*tools[:2], {"type": "other"}]])
def test_model_with_other_tools_bound(other: Engine, names: Any) -> None:
    assert "ValueError" in same_outcome(lambda e: bound(names)(e) and None, other, words=False)


def test_model_in_a_sequence(other: Engine) -> None:
    def build(e: Engine) -> Any:
        tools = tools_of(e)
        sequence = model("hi", echo=True).bind_tools(tools) | RunnableLambda(lambda message: message)
        return e.create_react_agent(sequence, tools)

    same(build, other, HELLO)


def test_unanswered_call_in_the_history(other: Engine) -> None:
    asked = AIMessage("", id="a", tool_calls=[{"id": "1", "name": "add", "args": {}}])

    def build(e: Engine) -> Any:
        return e.create_react_agent(model("hi"), tools_of(e))

    seen = same(build, other, {"messages": [HumanMessage("x", id="h"), asked]}, words=False)
    assert isinstance(seen.error, ValueError)


# -- structured responses -------------------------------------------------------------------------


class Weather(BaseModel):
    """The weather."""

    place: str
    degrees: int = 0


@both_ways
@versions
@pytest.mark.parametrize("tools", [True, False], ids=["tools", "no tools"])
@pytest.mark.parametrize("form", ["schema", "with prompt"])
def test_structured_response(other: Engine, version: Any, use_async: bool, tools: bool, form: str) -> None:
    wanted: Any = Weather if form == "schema" else ("Say it exactly.", Weather)

    def build(e: Engine) -> Any:
        turns = [[("add", {"a": 1, "b": 2})], "warm"] if tools else ["warm"]
        return e.create_react_agent(
            model(*turns, structured={"place": "sf", "degrees": 20}),
            tools_of(e) if tools else [],
            response_format=wanted,
            version=version,
        )

    seen = same(build, other, HELLO, MODES, use_async=use_async)
    assert seen.payloads("values")[-1]["structured_response"] == Weather(place="sf", degrees=20)


def test_structured_response_in_a_pydantic_state(other: Engine) -> None:
    def build(e: Engine) -> Any:
        class Model(e.AgentStatePydantic):  # type: ignore[misc,name-defined]
            structured_response: Any = None

        scripted = model("warm", structured={"place": "sf"})
        return e.create_react_agent(scripted, tools_of(e), response_format=Weather, state_schema=Model)

    seen = same(build, other, HELLO, MODES)
    assert seen.payloads("values")[-1]["structured_response"] == Weather(place="sf")


# -- hooks ----------------------------------------------------------------------------------------


def trim(state: Any) -> dict[str, Any]:
    return {"llm_input_messages": state["messages"][-1:]}


def rewrite(e: Engine) -> Any:
    def hook(_: Any) -> dict[str, Any]:
        return {"messages": [RemoveMessage(e.REMOVE_ALL_MESSAGES), HumanMessage("new", id="n")]}

    return hook


def after(state: Any) -> dict[str, Any] | None:
    last = state["messages"][-1]
    if getattr(last, "tool_calls", None) and last.tool_calls[0]["args"].get("a") == 1:
        first = last.tool_calls[0]
        return {"messages": [ToolMessage("answered by the hook", tool_call_id=first["id"], id=f"t{len(state)}")]}
    return None


HOOKS: dict[str, Any] = {
    "pre": lambda _: {"pre_model_hook": trim},
    "rewriting pre": lambda e: {"pre_model_hook": rewrite(e)},
    "post": lambda _: {"post_model_hook": after},
    "both": lambda _: {"pre_model_hook": trim, "post_model_hook": after},
    "post and structured": lambda _: {"post_model_hook": after, "response_format": Weather},
    "both and structured": lambda _: {
        "pre_model_hook": trim,
        "post_model_hook": after,
        "response_format": Weather,
    },
}
TRIMMED_HISTORY = ("pre", "both", "both and structured")


@both_ways
@pytest.mark.parametrize("tools", [True, False], ids=["tools", "no tools"])
@pytest.mark.parametrize("hooks", HOOKS)
def test_hooks(other: Engine, hooks: str, tools: bool, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        calls = [("add", {"a": 1, "b": 2}), ("shout", {"text": "x"})]
        # A model that is shown only the last message would begin its script again and again.
        turns = [calls, "done"] if tools and hooks not in TRIMMED_HISTORY else ["done"]
        scripted = model(*turns, echo=True, structured={"place": "sf"})
        return e.create_react_agent(scripted, tools_of(e) if tools else [], **HOOKS[hooks](e))

    same(build, other, HELLO, MODES, use_async=use_async, config={"recursion_limit": 12})


@versions
def test_pre_hook_in_a_loop(other: Engine, version: Any) -> None:
    def hook(state: Any) -> dict[str, Any]:
        return {"llm_input_messages": [SystemMessage("s", id="s"), *state["messages"]]}

    def build(e: Engine) -> Any:
        turns = ([("add", {"a": 1, "b": 2})], [("shout", {"text": "x"})], "done")
        return e.create_react_agent(model(*turns, echo=True), tools_of(e), pre_model_hook=hook, version=version)

    # No `tasks`: LangGraph changes the agent node's input in place, also where it was shown already.
    same(build, other, HELLO, ["values", "updates", "custom"], exact=True)


# -- direct returns and limits --------------------------------------------------------------------


@both_ways
@versions
@pytest.mark.parametrize("calls", [["last"], ["last", "add"], ["add", "last"], ["add"]], ids="+".join)
def test_return_direct(other: Engine, version: Any, use_async: bool, calls: list[str]) -> None:
    args = {"last": {"text": "bye"}, "add": {"a": 1, "b": 2}}

    def build(e: Engine) -> Any:
        @tool(return_direct=True)
        def last(text: str) -> str:
            """The last word."""
            return text

        scripted = model([(name, args[name]) for name in calls], "done")
        return e.create_react_agent(scripted, [*tools_of(e), last], version=version)

    same(build, other, HELLO, MODES, use_async=use_async)


@versions
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
def test_steps_run_out(other: Engine, version: Any, limit: int) -> None:
    def build(e: Engine) -> Any:
        return e.create_react_agent(model(*LOOP), tools_of(e), version=version)

    same(build, other, HELLO, config={"recursion_limit": limit}, words=False)


# -- states ---------------------------------------------------------------------------------------


@both_ways
@versions
@pytest.mark.parametrize("kind", ["typed", "pydantic"])
def test_state_of_ones_own(other: Engine, version: Any, use_async: bool, kind: str) -> None:
    def build(e: Engine) -> Any:
        if kind == "typed":

            class Typed(e.AgentState):  # type: ignore[misc,name-defined]
                log: Annotated[list[str], operator.add]

            schema: Any = Typed
        else:

            class Model(e.AgentStatePydantic):  # type: ignore[misc,name-defined]
                log: Annotated[list[str], operator.add] = []  # noqa: RUF012

            schema = Model

        def prompt(state: Any) -> list[Any]:
            log = state["log"] if isinstance(state, dict) else state.log
            messages = state["messages"] if isinstance(state, dict) else state.messages
            return [SystemMessage(f"log: {log}"), *messages]

        return e.create_react_agent(
            model(*LOOP, echo=True), tools_of(e), prompt=prompt, state_schema=schema, version=version
        )

    same(build, other, HELLO | {"log": ["begin"]}, use_async=use_async)


def test_state_that_lacks_keys(other: Engine) -> None:
    class State(TypedDict):
        messages: list[Any]

    call = lambda e: e.create_react_agent(model("hi"), [], state_schema=State) and None  # noqa: E731
    assert "ValueError" in same_outcome(call, other, words=False)


def test_version_that_does_not_exist(other: Engine) -> None:
    call = lambda e: e.create_react_agent(model("hi"), [], version="v3") and None  # noqa: E731
    assert "ValueError" in same_outcome(call, other, words=False)


def test_unknown_keyword(other: Engine) -> None:
    call = lambda e: e.create_react_agent(model("hi"), [], spice=1) and None  # noqa: E731
    assert "TypeError" in same_outcome(call, other, words=False)


# -- in other graphs ------------------------------------------------------------------------------


@both_ways
@versions
def test_agent_as_a_node(other: Engine, version: Any, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        agent = e.create_react_agent(model(*LOOP), tools_of(e), version=version, name="inner")
        graph = e.StateGraph(e.MessagesState)
        graph.add_node("before", lambda _: {"messages": [HumanMessage("and more", id="m")]})
        graph.add_node("agent", agent)
        return graph.add_edge(e.START, "before").add_edge("before", "agent").add_edge("agent", e.END).compile()

    same(build, other, HELLO, use_async=use_async)


@both_ways
def test_agent_called_by_a_node(other: Engine, use_async: bool) -> None:
    not_strictly_adapted(other, "the agent that is called is LangGraph's: it gives ids when its events have left")

    def build(e: Engine) -> Any:
        agent = e.create_react_agent(model(*LOOP), tools_of(e))

        def calls(state: Any) -> Any:
            return {"messages": agent.invoke({"messages": state["messages"]})["messages"][-1:]}

        return e.StateGraph(e.MessagesState).add_node(calls).add_edge(e.START, "calls").compile()

    same(build, other, HELLO, ["values", "updates", "custom", "tasks"], use_async=use_async)


def test_agent_called_by_a_tool(other: Engine) -> None:
    not_strictly_adapted(other, "the agent that is called is LangGraph's: it gives ids when its events have left")

    def build(e: Engine) -> Any:
        inner = e.create_react_agent(model([("add", {"a": 1, "b": 2})], "three"), tools_of(e))

        @tool
        def ask(question: str) -> str:
            """Ask somebody who knows."""
            return str(inner.invoke({"messages": [HumanMessage(question, id="q")]})["messages"][-1].text)

        return e.create_react_agent(model([("ask", {"question": "1+2?"})], "it is three"), [ask])

    # With a limit of its own: LangChain's tools hand a default of 25 down to the graphs that they call.
    same(build, other, HELLO, ["values", "updates", "custom", "tasks"], config={"recursion_limit": 30})


@versions
def test_drawing(other: Engine, version: Any) -> None:
    def build(e: Engine) -> Any:
        return e.create_react_agent(model("hi"), tools_of(e), pre_model_hook=trim, version=version)

    def edges(e: Engine) -> Any:
        drawn = build(e).get_graph()
        return sorted(drawn.nodes), sorted((edge.source, edge.target, edge.conditional) for edge in drawn.edges)

    same_outcome(edges, other)


def test_version_one_with_a_hook_behind_the_model(other: Engine) -> None:
    """LangGraph fails: its router leads to a node that its own map does not list."""

    def build(e: Engine) -> Any:
        return e.create_react_agent(model(*LOOP), tools_of(e), post_model_hook=lambda _: None, version="v1")

    own_agents(other)
    assert "KeyError" in outcome(lambda: build(LANGGRAPH).invoke(HELLO))
    seen = record(build(other), HELLO)
    assert seen.error is None
    assert seen.payloads("values")[-1]["messages"][-1].text == "done"
