"""langgraph-supervisor: its quick start, two handoffs in one turn, teams of teams, a handoff tool of one's own."""

from typing import Annotated, Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import InjectedState, create_react_agent
from langgraph.types import Command
from langgraph_supervisor import create_forward_message_tool, create_supervisor
from tests.field.script import call, say


def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


def multiply(a: float, b: float) -> float:
    """Multiply two numbers."""
    return a * b


def web_search(query: str) -> str:
    """Search the web."""
    return f"found for {query}: Meta 67317, Apple 164000"


def _experts(prefix: str = "") -> list[Any]:
    research = create_react_agent(
        ChatOpenAI(model=f"{prefix}research"),
        [web_search],
        name="research_expert",
        prompt="You search. You do no math.",
    )
    maths = create_react_agent(
        ChatOpenAI(model=f"{prefix}math"),
        [add, multiply],
        name="math_expert",
        prompt="You calculate, a tool at a time.",
    )
    return [research, maths]


def supervisor(_: Any) -> Any:
    """The quick start: search, then calculate, then answer."""
    lead = ChatOpenAI(model="lead")
    return create_supervisor(_experts(), model=lead, prompt="You manage a research and a math expert.").compile()


def supervisor_full_history(_: Any) -> Any:
    """All that the experts said comes back; one answer is handed on word by word."""
    return create_supervisor(
        _experts(),
        model=ChatOpenAI(model="lead-forwarding"),
        tools=[create_forward_message_tool("lead")],
        output_mode="full_history",
        supervisor_name="lead",
        add_handoff_back_messages=False,
    ).compile(name="with_history")


def supervisor_parallel(_: Any) -> Any:
    """Two handoffs in one turn: both experts work side by side."""
    return create_supervisor(
        _experts("parallel-"), model=ChatOpenAI(model="lead-parallel"), parallel_tool_calls=True
    ).compile()


def _write(topic: str) -> str:
    """Write about something."""
    return f"a page about {topic}"


def supervisor_teams(_: Any) -> Any:
    """A supervisor of supervisors."""
    research = create_supervisor(
        _experts(), model=ChatOpenAI(model="lead"), supervisor_name="research_supervisor"
    ).compile(name="research_team")
    author = create_react_agent(ChatOpenAI(model="author"), [tool("write")(_write)], name="author")
    writing = create_supervisor(
        [author], model=ChatOpenAI(model="editor"), supervisor_name="writing_supervisor"
    ).compile(name="writing_team")
    return create_supervisor([research, writing], model=ChatOpenAI(model="chief"), supervisor_name="chief").compile(
        name="company"
    )


def _assign(agent_name: str) -> Any:
    @tool(f"assign_to_{agent_name}", description=f"Give a task to {agent_name}.")
    def assign(
        task_description: Annotated[str, "What the expert is to do."],
        state: Annotated[dict[str, Any], InjectedState],
        tool_call_id: Annotated[str, InjectedToolCallId],
    ) -> Any:
        told = ToolMessage(f"{agent_name} has: {task_description}", name="assign", tool_call_id=tool_call_id)
        return Command(goto=agent_name, graph=Command.PARENT, update={"messages": [*state["messages"], told]})

    return assign


def supervisor_custom_handoff(_: Any) -> Any:
    """Handoff tools that take a description of the task."""
    return create_supervisor(
        _experts("assigned-"),
        model=ChatOpenAI(model="lead-assigning"),
        tools=[_assign("research_expert"), _assign("math_expert")],
        add_handoff_messages=False,
    ).compile()


_QUESTION = {"messages": [{"role": "user", "content": "what is the combined headcount of Meta and Apple?"}]}
GIVEN = {
    "supervisor": _QUESTION,
    "supervisor_full_history": _QUESTION,
    "supervisor_parallel": {"messages": [("user", "search for cats, and multiply 6 by 7")]},
    "supervisor_teams": {"messages": [("user", "find the combined headcount, then write a page of it")]},
    "supervisor_custom_handoff": _QUESTION,
}

_RESEARCH = [
    (r"tool: found", say("Meta has 67317 people, Apple 164000.")),
    (r"headcount", call(("web_search", {"query": "headcount"}))),
]
_MATH = [
    (r"tool: 231317", say("Together 231317 people.")),
    (r"67317", call(("add", {"a": 67317, "b": 164000}))),
]
_LEAD = [
    (r"Together 231317", say("Meta and Apple have 231,317 people together.")),
    (r"Meta has 67317", call(("transfer_to_math_expert", {}))),
    (r"headcount", call(("transfer_to_research_expert", {}))),
]
SCRIPTS = {
    "research": _RESEARCH,
    "math": _MATH,
    "lead": _LEAD,
    "lead-forwarding": [
        (r"Together 231317", call(("forward_message", {"from_agent": "math_expert"}))),
        *_LEAD[1:],
    ],
    "parallel-research": [
        (r"tool: found", say("There are cats.")),
        (r"cats", call(("web_search", {"query": "cats"}))),
    ],
    "parallel-math": [
        (r"tool: 42", say("It is 42.")),
        (r"6 by 7", call(("multiply", {"a": 6, "b": 7}))),
    ],
    "lead-parallel": [
        (r"There are cats.*It is 42|It is 42.*There are cats", say("Cats, and 42.")),
        (r"cats", call(("transfer_to_research_expert", {}), ("transfer_to_math_expert", {}))),
    ],
    "author": [
        (r"tool: a page", say("Here is a page about people.")),
        (r"page", call(("write", {"topic": "people"}))),
    ],
    "editor": [
        (r"Here is a page", say("The page is written.")),
        (r"page", call(("transfer_to_author", {}))),
    ],
    "chief": [
        (r"The page is written", say("Found and written.")),
        (r"231,317", call(("transfer_to_writing_team", {}))),
        (r"headcount", call(("transfer_to_research_team", {}))),
    ],
    "assigned-research": _RESEARCH,
    "assigned-math": _MATH,
    "lead-assigning": [
        _LEAD[0],
        (r"Meta has 67317", call(("assign_to_math_expert", {"task_description": "add 67317 and 164000"}))),
        (r"headcount", call(("assign_to_research_expert", {"task_description": "find the headcount of both"}))),
    ],
}
