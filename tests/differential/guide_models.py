"""The guide's examples that call a chat model, as source text: nothing is changed but the import root.

The clients are the real ones (`openai`, `langchain-openai`, `langchain`); the environment points them at
`tests.messages.openai_server`. Each example takes the imports along that the guide shows once for several.
"""

from typing import Any

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

_CLIENT = """
import json
from openai import AsyncOpenAI
from langgraph.config import get_stream_writer
from langgraph.graph import StateGraph, START
from typing import TypedDict

openai_client = AsyncOpenAI()

class State(TypedDict):
    query: str
    result: str

async def stream_tokens(model_name, messages):
    response = await openai_client.chat.completions.create(
        messages=messages, model=model_name, stream=True
    )
    role = None
    async for chunk in response:
        delta = chunk.choices[0].delta
        if delta.role is not None:
            role = delta.role
        if delta.content:
            yield {"role": role, "content": delta.content}

async def get_items(state: State):
    \"\"\"List items found in a place.\"\"\"
    writer = get_stream_writer()
    response = ""
    
    async for msg_chunk in stream_tokens(
        "gpt-4o-mini",
        [{"role": "user", "content": f"List items found in {state['query']}"}]
    ):
        response += msg_chunk["content"]
        writer(msg_chunk)
    
    return {"result": response}

graph = (
    StateGraph(State)
    .add_node("get_items", get_items)
    .add_edge(START, "get_items")
    .compile()
)
"""  # noqa: W293  as the guide has it

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
