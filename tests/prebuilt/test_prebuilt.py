"""What drumline.prebuilt refuses, and where it does otherwise than LangGraph."""

from __future__ import annotations

import importlib
import operator
import subprocess
import sys
import warnings
from typing import Annotated, Any

import langgraph.checkpoint.memory
import langgraph.prebuilt
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel
from tests.prebuilt.models import Scripted, call
from typing_extensions import TypedDict

from drumline.checkpoint.memory import InMemorySaver
from drumline.errors import DrumlineError, FeatureNotBuilt
from drumline.graph import START, MessagesState, StateGraph, add_messages
from drumline.prebuilt import InjectedState, InjectedStore, ToolNode, ToolRuntime, create_react_agent
from drumline.prebuilt.chat_agent_executor import AgentState
from drumline.store.memory import InMemoryStore
from drumline.types import Command, Send

HELLO = {"messages": [HumanMessage("hello", id="h")]}


def model(*turns: Any) -> Scripted:
    return Scripted(turns=list(turns), disable_streaming=True)


def asking(*calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    made = [call(f"c{index}", name, args) for index, (name, args) in enumerate(calls)]
    return {"messages": [AIMessage("", id="a", tool_calls=made)]}


def test_without_langchain_it_says_what_to_install() -> None:
    code = """
import sys
sys.modules["langchain_core"] = None
import drumline.graph
try:
    import drumline.prebuilt
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "drumline[langchain]"' in done.stdout


def test_importing_drumline_does_not_import_langchain() -> None:
    code = "import sys, drumline, drumline.graph; print([m for m in sys.modules if m.startswith('langchain')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_prebuilt_does_not_import_langgraph() -> None:
    code = "import sys, drumline.prebuilt; print([m for m in sys.modules if m.startswith('langgraph')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_stand_where_langgraph_has_them() -> None:
    for module in ("prebuilt", "prebuilt.chat_agent_executor", "prebuilt.tool_node"):
        theirs = importlib.import_module(f"langgraph.{module}")
        ours = importlib.import_module(f"drumline.{module}")
        missing = set(getattr(theirs, "__all__", [])) - set(dir(ours))
        assert missing <= {"ValidationNode", "ToolCallTransformer"}
    ours = importlib.import_module("drumline.prebuilt.tool_node")
    assert ours.ToolCallRequest and ours.ToolInvocationError and ours.msg_content_output


def test_an_agent_that_remembers_stops_where_it_is_told() -> None:
    """Beside LangGraph: two turns on a thread, with a stop before the tools and one behind the agent."""

    @tool
    def adds(n: int) -> int:
        """Add one."""
        return n + 1

    def turns(create: Any, saver: Any) -> list[Any]:
        script = model([("adds", {"n": 1})], "two", "again")
        agent = create(script, [adds], checkpointer=saver, interrupt_before=["tools"], interrupt_after=["agent"])
        config = {"configurable": {"thread_id": "t"}}
        told = []
        for given in (HELLO, None, {"messages": [HumanMessage("and?", id="h2")]}, None):
            items = agent.stream(given, config, stream_mode="updates")
            told.append(
                [
                    (node, update and [m.content for m in update["messages"]])
                    for x in items
                    for node, update in x.items()
                ]
            )
            told.append(agent.get_state(config).next)
        return [*told, [m.content for m in agent.get_state(config).values["messages"]]]

    ours = turns(create_react_agent, InMemorySaver())
    assert ours == turns(langgraph.prebuilt.create_react_agent, langgraph.checkpoint.memory.InMemorySaver())
    assert ours[-1] == ["hello", "", "2", "two", "and?", "again"]


def test_what_is_no_checkpointer_is_refused() -> None:
    with pytest.raises(TypeError, match="Invalid checkpointer"):
        create_react_agent(model("hi"), [], checkpointer=object())


def test_what_says_nothing_is_not_refused() -> None:
    agent = create_react_agent(model("hi"), [], checkpointer=False, interrupt_before=[])
    assert agent.invoke(HELLO)["messages"][-1].content == "hi"


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_refusal_inside_a_tool_is_no_answer_to_the_model(wrapped: bool) -> None:
    """A model cannot mend what drumline has not built; a user must see it."""

    @tool
    def builds() -> str:
        """Do what nobody has built."""
        raise FeatureNotBuilt("control=", "calling graph 'agent'")

    options: Any = {"wrap_tool_call": lambda request, execute: execute(request)} if wrapped else {}
    graph = StateGraph(MessagesState).add_node("tools", ToolNode([builds], handle_tool_errors=True, **options))
    with pytest.raises(FeatureNotBuilt):
        graph.add_edge(START, "tools").compile().invoke(asking(("builds", {})))  # type: ignore[call-overload]


def test_a_store_is_injected_where_there_is_one() -> None:
    @tool
    def looks(key: str, store: Annotated[Any, InjectedStore()]) -> str:
        """Look into the store."""
        return str(store.get(("places",), key).value)

    store = InMemoryStore()
    store.put(("places",), "k", {"found": True})
    graph = StateGraph(MessagesState).add_node("tools", ToolNode([looks])).add_edge(START, "tools").compile(store=store)
    said = graph.invoke(asking(("looks", {"key": "k"})))["messages"][-1]  # type: ignore[call-overload]
    assert said.content == "{'found': True}"


def test_a_runtime_is_not_copied_into_the_arguments() -> None:
    """LangChain dumps the arguments of each call: a runtime, and the state in it, must come through untouched."""

    class State(BaseModel):
        messages: list[Any]
        big: Any = None

    @tool
    def looks(runtime: ToolRuntime) -> str:
        """Look."""
        assert runtime.state is given  # type: ignore[comparison-overlap]
        assert runtime.state.big.asked == 0  # type: ignore[attr-defined]
        return str(runtime.tool_call_id)

    class Counts:
        asked = 0

        def __iter__(self) -> Any:
            self.asked += 1
            return iter(())

    given = State(**asking(("looks", {})), big=Counts())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ToolNode([looks]).invoke(given)["messages"][0].content == "c0"


def test_bare_calls_carry_no_state() -> None:
    @tool
    def looks(user: Annotated[str, InjectedState("user")]) -> str:
        """Look."""
        return user

    with pytest.raises(ValueError, match="tool_call_with_context"):
        ToolNode([looks]).invoke([call("1", "looks", {})])


def test_updates_of_commands_that_leave_for_the_parent_are_kept() -> None:
    """LangGraph joins the Sends of such commands and drops their updates."""

    class State(TypedDict):
        messages: Annotated[list[Any], add_messages]
        log: Annotated[list[str], operator.add]

    @tool
    def leaves(who: str) -> Any:
        """Hand over."""
        return Command(graph=Command.PARENT, update={"log": [who]}, goto=[Send("other", {"log": [who]})])

    child = StateGraph(State).add_node("tools", ToolNode([leaves])).add_edge(START, "tools").compile()
    graph = StateGraph(State).add_node("child", child).add_edge(START, "child")
    graph.add_node("other", lambda state: {"log": [f"to {state['log'][0]}"]})
    given = {**asking(("leaves", {"who": "a"}), ("leaves", {"who": "b"})), "log": []}
    assert graph.compile().invoke(given)["log"] == ["a", "b", "to a", "to b"]  # type: ignore[call-overload]


def test_callbacks_of_the_run_hear_of_tools_and_models() -> None:
    heard: list[Any] = []

    class Hears(BaseCallbackHandler):
        def on_tool_start(self, serialized: Any, *_: Any, **kwargs: Any) -> None:
            tags = [t for t in kwargs["tags"] if "seq" not in t]
            heard.append((serialized["name"], kwargs["metadata"]["langgraph_node"], tags))

        def on_chat_model_start(self, *_: Any, **kwargs: Any) -> None:
            heard.append(("model", kwargs["metadata"]["langgraph_node"], [t for t in kwargs["tags"] if "seq" not in t]))

        def on_tool_end(self, output: Any, **_: Any) -> None:
            heard.append(output.update["log"] if isinstance(output, Command) else output.content)  # type: ignore[index]

    @tool
    def commands() -> Any:
        """Command."""
        answer = ToolMessage("x", tool_call_id="call-0-0")
        return Command(update={"log": 1, "messages": [answer]})

    agent = create_react_agent(model([("commands", {})], "done"), [commands])
    agent.invoke(HELLO, {"callbacks": [Hears()], "tags": ["t"]})
    assert heard == [("model", "agent", ["t"]), ("commands", "tools", ["t"]), 1, ("model", "agent", ["t"])]


def test_a_model_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def init(name: str) -> Any:
        asked.append(name)
        return model("hi")

    monkeypatch.setattr("langchain.chat_models.init_chat_model", init)
    assert create_react_agent("some:model", []).invoke(HELLO)["messages"][-1].content == "hi"
    assert asked == ["some:model"]


def test_a_model_by_its_name_without_langchain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(ImportError, match="pip install langchain"):
        create_react_agent("some:model", [])


def test_config_schema_is_the_old_name() -> None:
    class Context(TypedDict):
        user: str

    with pytest.warns(DeprecationWarning, match="context_schema"):
        agent = create_react_agent(model("hi"), [], config_schema=Context)
    assert agent.context_schema is Context


def test_the_error_of_a_state_names_what_it_lacks() -> None:
    class State(AgentState):
        more: str

    create_react_agent(model("hi"), [], state_schema=State)
    with pytest.raises(DrumlineError, match="'structured_response'"):
        create_react_agent(model("hi"), [], state_schema=State, response_format={"title": "x"})
