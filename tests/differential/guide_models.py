"""The guide's examples that call a chat model, as source text: nothing is changed but the import root.

The clients are the real ones (`openai`, `langchain-openai`, `langchain`); the environment points them at
`tests.messages.openai_server`. Each example takes the imports along that the guide shows once for several.
"""

from typing import Any

from . import guide_graphs
from .engines import Engine

_IMPORTS = """
from typing import TypedDict
"""

_TOKENS = (
    _IMPORTS
    + """
from langchain_openai import ChatOpenAI
from langgraph.graph import StateGraph, START

llm = ChatOpenAI(model="gpt-4o-mini")

class State(TypedDict):
    topic: str
    joke: str

def generate_joke(state: State):
    llm_response = llm.invoke([
        {"role": "user", "content": f"Generate a joke about {state['topic']}"}
    ])
    return {"joke": llm_response.content}

graph = (
    StateGraph(State)
    .add_node("generate_joke", generate_joke)
    .add_edge(START, "generate_joke")
    .compile()
)
"""
)

_TAGS = (
    _IMPORTS
    + """
from langchain.chat_models import init_chat_model
from langgraph.graph import StateGraph, START

joke_model = init_chat_model(model="openai:gpt-4o-mini", tags=["joke"])
poem_model = init_chat_model(model="openai:gpt-4o-mini", tags=["poem"])

class State(TypedDict):
    topic: str
    joke: str
    poem: str

async def dual_generation(state, config):
    joke_response = await joke_model.ainvoke(
        [{"role": "user", "content": f"Write a joke about {state['topic']}"}],
        config  # Required for Python < 3.11
    )
    poem_response = await poem_model.ainvoke(
        [{"role": "user", "content": f"Write a poem about {state['topic']}"}],
        config  # Required for Python < 3.11
    )
    return {
        "joke": joke_response.content, 
        "poem": poem_response.content
    }

graph = (
    StateGraph(State)
    .add_node("dual_generation", dual_generation)
    .add_edge(START, "dual_generation")
    .compile()
)
"""  # noqa: W291  as the guide has it
)

_NODES = (
    _IMPORTS
    + """
from langchain_openai import ChatOpenAI
from langgraph.graph import StateGraph, START

model = ChatOpenAI(model="gpt-4o-mini")

class State(TypedDict):
    topic: str
    joke: str
    poem: str

def write_joke(state: State):
    topic = state["topic"]
    joke_response = model.invoke(
        [{"role": "user", "content": f"Write a joke about {topic}"}]
    )
    return {"joke": joke_response.content}

def write_poem(state: State):
    topic = state["topic"]
    poem_response = model.invoke(
        [{"role": "user", "content": f"Write a short poem about {topic}"}]
    )
    return {"poem": poem_response.content}

graph = (
    StateGraph(State)
    .add_node("write_joke", write_joke)
    .add_node("write_poem", write_poem)
    # write both the joke and the poem concurrently
    .add_edge(START, "write_joke")
    .add_edge(START, "write_poem")
    .compile()
)
"""
)

_PY310 = (
    _IMPORTS
    + """
from langchain.chat_models import init_chat_model
from langgraph.graph import START, StateGraph

llm = init_chat_model(model="openai:gpt-4o-mini")

class State(TypedDict):
    topic: str
    joke: str

async def call_model(state, config):  # Accept config parameter
    topic = state["topic"]
    print("Generating joke...")
    joke_response = await llm.ainvoke(
        [{"role": "user", "content": f"Write a joke about {topic}"}],
        config  # Pass config explicitly
    )
    return {"joke": joke_response.content}

graph = (
    StateGraph(State)
    .add_node("call_model", call_model)
    .add_edge(START, "call_model")
    .compile()
)
"""
)

#: of the guide's other examples: the client is the real one here
_CLIENT = f"from openai import AsyncOpenAI\n{guide_graphs.EXAMPLES['openai']}"

EXAMPLES = {"tokens": _TOKENS, "tags": _TAGS, "nodes": _NODES, "py310": _PY310, "client": _CLIENT}
INPUTS: dict[str, Any] = {
    "tokens": {"topic": "ice cream"},
    "tags": {"topic": "cats"},
    "nodes": {"topic": "cats"},
    "py310": {"topic": "ice cream"},
    "client": {"query": "kitchen"},
}
ASYNC_ONLY = ("tags", "py310", "client")


def graph(e: Engine, name: str) -> Any:
    """The compiled graph of one example. The environment must name the server that its client talks to."""
    # Only our own imports: "langgraph" is no part of "langchain".
    source = EXAMPLES[name].replace("from langgraph.", f"from {e.root}.")
    names: dict[str, Any] = {"__name__": f"guide_models_{name}"}
    exec(compile(source, f"<guide: {name}>", "exec"), names)
    return names["graph"]
