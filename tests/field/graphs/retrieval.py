"""Retrieval: text splitters and an in-memory vector store; a chain of nodes, and an agent that grades and rewrites."""

from typing import Annotated, Any, Literal

from langchain_core.documents import Document
from langchain_core.messages import AnyMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import create_retriever_tool
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI
from langchain_text_splitters import RecursiveCharacterTextSplitter
from langgraph.graph import add_messages
from pydantic import BaseModel
from tests.field.graphs.memory import Words
from tests.field.script import call, say, say_json
from typing_extensions import TypedDict

TEXTS = {
    "sea.txt": "The sea is salt water. Ships cross the sea. Fish live in the sea and in rivers.",
    "sky.txt": "The sky is blue by day. Birds cross the sky. Stars stand in the sky at night.",
}


def _indexed() -> InMemoryVectorStore:
    splitter = RecursiveCharacterTextSplitter(chunk_size=40, chunk_overlap=5, add_start_index=True)
    pages = splitter.split_documents([Document(text, metadata={"source": name}) for name, text in TEXTS.items()])
    store = InMemoryVectorStore(Words())
    store.add_documents(pages, ids=[str(number) for number in range(len(pages))])
    return store


class Asked(TypedDict, total=False):
    question: str
    context: list[Document]
    answer: str


def rag(e: Any) -> Any:
    """Retrieve, then generate, with documents in the state."""
    store = _indexed()
    prompt = ChatPromptTemplate.from_template("Answer {question} with {context}")

    def retrieve(state: Asked) -> Any:
        return {"context": store.similarity_search(state["question"], k=2)}

    def generate(state: Asked) -> Any:
        told = "\n".join(page.page_content for page in state["context"])
        chain = prompt | ChatOpenAI(model="reader")
        return {"answer": chain.invoke({"question": state["question"], "context": told}).content}

    return e.StateGraph(Asked).add_sequence([retrieve, generate]).add_edge(e.START, "retrieve").compile(name="rag")


class Grade(BaseModel):
    """Whether the pages answer the question."""

    score: Literal["yes", "no"]


class Thread(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def rag_agent(e: Any) -> Any:
    """The agentic one: a model that may search, a router that grades with structured output, a rewritten question."""
    tool = create_retriever_tool(_indexed().as_retriever(search_kwargs={"k": 1}), "search", "Search the pages.")
    model = ChatOpenAI(model="retriever")

    def generate_query_or_respond(state: Thread) -> Any:
        return {"messages": [model.bind_tools([tool]).invoke(state["messages"])]}

    def grade(state: Thread) -> str:
        asked = f"Do they answer? {state['messages'][-1].content}"
        grader = ChatOpenAI(model="grader").with_structured_output(Grade)
        return "answer" if grader.invoke([("user", asked)]).score == "yes" else "rewrite"  # type: ignore[union-attr]

    def rewrite(_: Thread) -> Any:
        return {"messages": [{"role": "user", "content": "what stands in the sky at night?"}]}

    def answer(state: Thread) -> Any:
        return {"messages": [model.invoke([("user", f"Say it: {state['messages'][-1].content}")])]}

    builder = e.StateGraph(Thread).add_node(generate_query_or_respond).add_node("retrieve", e.ToolNode([tool]))
    builder.add_node(rewrite).add_node(answer).add_edge(e.START, "generate_query_or_respond")
    builder.add_conditional_edges(
        "generate_query_or_respond",
        lambda state: "tools" if state["messages"][-1].tool_calls else e.END,
        {"tools": "retrieve", e.END: e.END},
    )
    builder.add_conditional_edges("retrieve", grade, ["answer", "rewrite"])
    return builder.add_edge("rewrite", "generate_query_or_respond").compile(name="rag_agent")


GIVEN = {
    "rag": {"question": "who cross the sea?"},
    "rag_agent": {"messages": [{"role": "user", "content": "and at night?"}]},
}
SCRIPTS = {
    "reader": [(r"sea", say("Ships do."))],
    "retriever": [
        (r"Say it: ", say("Stars do.")),
        (r"what stands in the sky", call(("search", {"query": "Stars stand in the sky at night."}))),
        (r"at night", call(("search", {"query": "Fish live in the sea"}))),
    ],
    "grader": [(r"Stars", say_json(score="yes")), (r".", say_json(score="no"))],
}
