"""The guide's examples as source text, so that a test can run them with nothing changed but the
import root.

`graph(e, name)` executes one example for an engine and returns its compiled graph. What the guide
takes from the network (OpenAI, an LLM client) is a small generator here, under the guide's names.
"""

from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

from .engines import Engine

_BASIC = """
from typing import TypedDict
from langgraph.graph import StateGraph, START, END

class State(TypedDict):
    topic: str
    joke: str

def refine_topic(state: State):
    return {"topic": state["topic"] + " and cats"}

def generate_joke(state: State):
    return {"joke": f"This is a joke about {state['topic']}"}

# Build and compile graph
graph = (
    StateGraph(State)
    .add_node("refine_topic", refine_topic)
    .add_node("generate_joke", generate_joke)
    .add_edge(START, "refine_topic")
    .add_edge("refine_topic", "generate_joke")
    .add_edge("generate_joke", END)
    .compile()
)
"""

_CUSTOM = """
from typing import TypedDict
from langgraph.config import get_stream_writer
from langgraph.graph import StateGraph, START

class State(TypedDict):
    query: str
    answer: str

def process_node(state: State):
    writer = get_stream_writer()

    # Emit custom data
    writer({"status": "Starting processing"})

    # Do some work
    # ...

    writer({"progress": 50, "message": "Halfway done"})

    # More work
    # ...

    writer({"status": "Processing complete"})
    return {"answer": "Completed"}

graph = (
    StateGraph(State)
    .add_node("process_node", process_node)
    .add_edge(START, "process_node")
    .compile()
)
"""

_ANY_LLM = """
from typing import TypedDict
from langgraph.config import get_stream_writer
from langgraph.graph import StateGraph, START

class State(TypedDict):
    prompt: str
    result: str

def call_custom_model(state):
    \"\"\"Call an arbitrary model and stream its output.\"\"\"
    writer = get_stream_writer()

    # Use your custom streaming client
    for token in your_custom_streaming_client(state["prompt"]):
        writer({"llm_token": token})

    return {"result": "completed"}

graph = (
    StateGraph(State)
    .add_node("call_custom_model", call_custom_model)
    .add_edge(START, "call_custom_model")
    .compile()
)
"""

_OPENAI = """
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
"""

_SEVERAL_MODES = """
from typing import TypedDict
from langgraph.graph import StateGraph, START
from langgraph.types import StreamWriter

class State(TypedDict):
    topic: str
    joke: str

def refine_topic(state: State):
    return {"topic": state["topic"] + " and cats"}

def generate_joke(state: State, writer: StreamWriter):
    # Stream custom data during node execution
    writer({"custom_key": "Writing custom data while generating a joke"})
    # You can stream multiple items from a single node
    writer({"progress": "50%"})
    writer({"progress": "100%"})
    return {"joke": f"This is a joke about {state['topic']}"}

graph = (
    StateGraph(State)
    .add_node("refine_topic", refine_topic)
    .add_node("generate_joke", generate_joke)
    .add_edge(START, "refine_topic")
    .add_edge("refine_topic", "generate_joke")
    .compile()
)
"""

_SUBGRAPH = """
from langgraph.graph import START, StateGraph
from typing import TypedDict

# Define subgraph
class SubgraphState(TypedDict):
    foo: str  # note that this key is shared with the parent graph state
    bar: str

def subgraph_node_1(state: SubgraphState):
    return {"bar": "bar"}

def subgraph_node_2(state: SubgraphState):
    return {"foo": state["foo"] + state["bar"]}

subgraph_builder = StateGraph(SubgraphState)
subgraph_builder.add_node("subgraph_node_1", subgraph_node_1)
subgraph_builder.add_node("subgraph_node_2", subgraph_node_2)
subgraph_builder.add_edge(START, "subgraph_node_1")
subgraph_builder.add_edge("subgraph_node_1", "subgraph_node_2")
subgraph = subgraph_builder.compile()

# Define parent graph
class ParentState(TypedDict):
    foo: str

def node_1(state: ParentState):
    return {"foo": "hi! " + state["foo"]}

builder = StateGraph(ParentState)
builder.add_node("node_1", node_1)
builder.add_node("node_2", subgraph)
builder.add_edge(START, "node_1")
builder.add_edge("node_1", "node_2")
graph = builder.compile()
"""

_ASYNC_WRITER = """
from typing import TypedDict
from langgraph.graph import StateGraph, START
from langgraph.types import StreamWriter

class State(TypedDict):
    topic: str
    joke: str

# Add writer parameter directly to function signature
async def generate_joke(state: State, writer: StreamWriter):
    writer({"custom_key": "Streaming custom data while generating a joke"})
    return {"joke": f"This is a joke about {state['topic']}"}

graph = (
    StateGraph(State)
    .add_node("generate_joke", generate_joke)
    .add_edge(START, "generate_joke")
    .compile()
)
"""

# The guide's messages examples need a chat model; here the nodes return the messages themselves.
_MESSAGES = """
from langchain_core.messages import AIMessage
from langgraph.graph import MessagesState, StateGraph, START

def write_joke(state: MessagesState):
    topic = state["messages"][-1].content
    return {"messages": [AIMessage(f"joke about {topic}", id="joke")]}

def write_poem(state: MessagesState):
    topic = state["messages"][-1].content
    return {"messages": [AIMessage(f"poem about {topic}", id="poem")]}

graph = (
    StateGraph(MessagesState)
    .add_node("write_joke", write_joke)
    .add_node("write_poem", write_poem)
    # write both the joke and the poem concurrently
    .add_edge(START, "write_joke")
    .add_edge(START, "write_poem")
    .compile()
)
"""

EXAMPLES = {
    "basic": _BASIC,
    "custom": _CUSTOM,
    "any_llm": _ANY_LLM,
    "openai": _OPENAI,
    "several_modes": _SEVERAL_MODES,
    "subgraph": _SUBGRAPH,
    "async_writer": _ASYNC_WRITER,
    "messages": _MESSAGES,
}
INPUTS: dict[str, Any] = {
    "basic": {"topic": "ice cream"},
    "custom": {"query": "example"},
    "any_llm": {"prompt": "one two three"},
    "openai": {"query": "kitchen"},
    "several_modes": {"topic": "ice cream"},
    "subgraph": {"foo": "foo"},
    "async_writer": {"topic": "ice cream"},
    "messages": {"messages": [{"role": "user", "content": "cats", "id": "question"}]},
}
ASYNC_ONLY = ("openai", "async_writer")


def your_custom_streaming_client(prompt: str) -> Iterator[str]:
    yield from prompt.split()


class AsyncOpenAI:
    """As much of the OpenAI client as the guide's example uses; it answers with fixed tokens."""

    def __init__(self) -> None:
        self.chat = SimpleNamespace(completions=self)

    async def create(self, **_: Any) -> AsyncIterator[Any]:
        async def chunks() -> AsyncIterator[Any]:
            for role, content in [("assistant", ""), (None, "pots"), (None, ", "), (None, "pans")]:
                delta = SimpleNamespace(role=role, content=content)
                yield SimpleNamespace(choices=[SimpleNamespace(delta=delta)])

        return chunks()


def graph(e: Engine, name: str) -> Any:
    """The compiled graph of one example, its source unchanged but for the import root."""
    source = EXAMPLES[name].replace("langgraph", e.root)
    names: dict[str, Any] = {
        "__name__": f"guide_{name}",
        "AsyncOpenAI": AsyncOpenAI,
        "your_custom_streaming_client": your_custom_streaming_client,
    }
    exec(compile(source, f"<guide: {name}>", "exec"), names)
    return names["graph"]
