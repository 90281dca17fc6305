"""LangGraph's `langgraph.pregel.remote`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "LangGraph Platform's RemoteGraph",
    "RemoteGraph",
    "RemoteException",
    advice="Cluster().graph(name) is a graph that runs elsewhere.",
)
