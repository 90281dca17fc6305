"""langmem: tools that an agent keeps memories with, a manager in the background, a running summary.

The store is one of the process, so each run has a namespace of its own: what one run keeps, no other finds.
"""

import hashlib
import uuid
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_openai import ChatOpenAI
from langgraph.func import entrypoint
from langgraph.graph import MessagesState
from langgraph.prebuilt import create_react_agent
from langgraph.store.memory import InMemoryStore
from langmem import create_manage_memory_tool, create_memory_store_manager, create_search_memory_tool
from langmem.short_term import RunningSummary, SummarizationNode
from pydantic import BaseModel
from tests.field.script import call, say

DIMS = 32


class Words(Embeddings):
    """Which words a text has: the same vector in every process."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        found = [0.0] * DIMS
        for word in text.lower().split():
            found[hashlib.sha256(word.encode()).digest()[0] % DIMS] += 1.0
        return found


def _store() -> InMemoryStore:
    return InMemoryStore(index={"dims": DIMS, "embed": Words()})


def memory_tools(_: Any) -> Any:
    """The README's agent: it remembers, and looks it up; what it found stands as artifact of the tool's message."""
    namespace = ("memories", "{langgraph_user_id}")
    tools = [
        create_manage_memory_tool(namespace=namespace),
        create_search_memory_tool(namespace=namespace, response_format="content_and_artifact"),
    ]
    return create_react_agent(ChatOpenAI(model="rememberer"), tools, store=_store(), name="rememberer")


class Triple(BaseModel):
    """A fact."""

    subject: str
    predicate: str
    object: str


def memory_background(_: Any) -> Any:
    """The background quick start: a functional graph that answers, then has the manager extract what is worth it."""
    model = ChatOpenAI(model="chatter")
    manager = create_memory_store_manager(
        ChatOpenAI(model="manager"), namespace=("facts", "{langgraph_user_id}"), schemas=[Triple], enable_inserts=True
    )

    @entrypoint(store=_store())
    async def chat(message: str) -> Any:
        answer = await model.ainvoke(message)
        kept = await manager.ainvoke({"messages": [{"role": "user", "content": message}, answer]})
        return {"answer": answer.content, "kept": [put["value"] for put in kept]}

    return chat


class Summed(MessagesState):
    context: dict[str, RunningSummary]
    summarized_messages: list[Any]


def memory_summary(e: Any) -> Any:
    """A node of langmem that sums up old messages, before the model is asked."""
    model = ChatOpenAI(model="chatter")
    summing = SummarizationNode(
        token_counter=lambda messages: 10 * len(messages),
        model=ChatOpenAI(model="summing"),
        max_tokens=40,
        max_tokens_before_summary=20,
        max_summary_tokens=10,
        output_messages_key="summarized_messages",
    )

    def answer(state: Summed) -> Any:
        return {"messages": [model.invoke(state["summarized_messages"])]}

    builder = e.StateGraph(Summed).add_node("summarize", summing).add_node("answer", answer)
    builder.add_edge(e.START, "summarize").add_edge("summarize", "answer")
    return builder.compile(name="memory_summary")


def _someone() -> dict[str, Any]:
    return {"configurable": {"langgraph_user_id": str(uuid.uuid4())}}


_TALK = [(role, f"{role} says {number}") for number, role in enumerate(["user", "ai"] * 3)]
GIVEN = {
    "memory_tools": {"messages": [{"role": "user", "content": "Remember that I prefer dark mode."}]},
    "memory_background": "Ada lives in London",
    "memory_summary": {
        "messages": [{"role": role, "content": text, "id": f"m{n}"} for n, (role, text) in enumerate(_TALK)]
        + [{"role": "user", "content": "and now?", "id": "last"}],
    },
}
CONFIGS = {"memory_tools": _someone, "memory_background": _someone}
SCRIPTS = {
    "rememberer": [
        (r"-> search_memory", say("You prefer dark mode.")),
        (r"tool: created memory", call(("search_memory", {"query": "which mode"}))),
        (r"Remember", call(("manage_memory", {"content": "The user prefers dark mode.", "action": "create"}))),
    ],
    "chatter": [(r"London", say("London is large.")), (r".", say("Now we are done."))],
    "summing": [(r".", say("They counted."))],
    "manager": [
        (r".", call(("Triple", {"subject": "Ada", "predicate": "lives in", "object": "London"}))),
    ],
}
