"""deepagents: files, subagents; a user's message that is too large to be kept; a compiled graph as subagent."""

from typing import Any

from deepagents import create_deep_agent
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel
from tests.field.script import call, say


def internet_search(query: str, max_results: int = 2) -> list[dict[str, str]]:
    """Search the internet."""
    return [{"title": f"{query} {number}", "url": f"https://example.com/{number}"} for number in range(max_results)]


class Report(BaseModel):
    """What came out."""

    title: str
    sources: int


def deep(_: Any) -> Any:
    """A subagent, a file, the file again: research as the documentation shows it."""
    researcher = {
        "name": "research-agent",
        "description": "Searches, one question at a time.",
        "system_prompt": "You are a researcher.",
        "tools": [internet_search],
        "model": ChatOpenAI(model="deep-researcher"),
    }
    return create_deep_agent(
        ChatOpenAI(model="deep"), [internet_search], system_prompt="You research.", subagents=[researcher]
    )


def deep_large_message(_: Any) -> Any:
    """A user's message that goes to a file, so that the state's message is replaced by one with the same id."""
    return create_deep_agent(ChatOpenAI(model="deep-large"), system_prompt="You read.")


def deep_compiled_subagent(_: Any) -> Any:
    """A graph of one's own as subagent, two tasks at once, and a structured response."""

    def count(state: MessagesState) -> Any:
        return {"messages": [ChatOpenAI(model="deep-counter").invoke(state["messages"])]}

    counter = StateGraph(MessagesState).add_node("count", count).add_edge(START, "count").compile(name="counter")
    return create_deep_agent(
        ChatOpenAI(model="deep-report"),
        subagents=[{"name": "counter", "description": "Counts.", "runnable": counter}],
        response_format=Report,
        name="reporter",
    )


_LARGE = "\n".join(f"line {number} of a very long report about nothing in particular" for number in range(6000))
GIVEN = {
    "deep": {"messages": [{"role": "user", "content": "Research LangGraph and write a summary"}]},
    "deep_large_message": {"messages": [{"role": "user", "content": _LARGE}]},
    "deep_compiled_subagent": {"messages": [{"role": "user", "content": "count cats and dogs"}]},
}
SCRIPTS = {
    "deep": [
        (r"-> read_file.*LangGraph is a runtime", say("LangGraph is a runtime for graphs.")),
        (r"-> write_file", call(("read_file", {"file_path": "/summary.md"}))),
        (
            r"tool: I found",
            call(
                ("write_file", {"file_path": "/summary.md", "content": "LangGraph is a runtime.\nOf graphs."}),
                text="I write it down.",
            ),
        ),
        (
            r"Research LangGraph",
            call(("task", {"description": "what is LangGraph?", "subagent_type": "research-agent"})),
        ),
    ],
    "deep-researcher": [
        (r"example.com/1", say("I found that it is a runtime.")),
        (r"what is LangGraph", call(("internet_search", {"query": "LangGraph"}))),
    ],
    "deep-large": [(r".", say("It is long."))],
    "deep-counter": [(r"cats", say("7 cats")), (r"dogs", say("9 dogs"))],
    "deep-report": [
        (r"tool: (7 cats|9 dogs).*tool: (7 cats|9 dogs)", call(("Report", {"title": "pets", "sources": 2}))),
        (
            r"count cats",
            call(
                ("task", {"description": "count the cats", "subagent_type": "counter"}),
                ("task", {"description": "count the dogs", "subagent_type": "counter"}),
            ),
        ),
    ],
}
