"""LangGraph's own compiled graphs on drumline, unmodified (`pip install "drumline[langgraph]"`).

    drumline worker --app my_app:graph        # `graph` is a LangGraph CompiledStateGraph
    adapt(graph).stream(...)                  # embedded, with drumline's engine
    adapt(graph).on(cluster).stream(...)

Every node of a `StateGraph` that LangGraph compiled (its own builder, `langgraph.prebuilt.create_react_agent`,
`langchain.agents.create_agent`, subgraphs as nodes) becomes a task of its own. The coordinator plans supersteps with
drumline's rules, which are LangGraph's; a worker runs the node with LangGraph's own code: body, writers, routers,
retries, timeouts. What runs inline in one worker: functional graphs (`@entrypoint`), `Pregel` graphs without a builder,
`@task`s that a node calls, and graphs that are called inside of function bodies.

Nothing outside of this package knows LangGraph.
"""

from drumline.langgraph.graph import AdaptedGraph, adapt, is_langgraph
from drumline.langgraph.versions import NEWEST, OLDEST, UnsupportedLangGraph

__all__ = ["NEWEST", "OLDEST", "AdaptedGraph", "UnsupportedLangGraph", "adapt", "is_langgraph"]
