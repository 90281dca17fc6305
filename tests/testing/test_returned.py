"""What a subgraph returns is not written again for the graph around it, if it lies under a name already."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from drumline.graph import END, START, StateGraph
from drumline.testing import local_cluster

SIZE = 300_000


class State(TypedDict, total=False):
    text: str
    size: int


def nested(levels: int) -> Any:
    def make(_state: State) -> dict[str, Any]:
        return {"text": "x" * SIZE}

    graph: Any = make
    for _ in range(levels):
        builder = StateGraph(State).add_node("inner", graph).add_edge(START, "inner").add_edge("inner", END)
        graph = builder.compile()
    builder = StateGraph(State).add_node("sub", graph)
    builder.add_node("measure", lambda state: {"size": len(state["text"])})
    builder.add_edge(START, "sub").add_edge("sub", "measure")
    return builder.compile()


def test_a_large_value_passes_out_of_graphs_under_its_name() -> None:
    graph = nested(3)
    with local_cluster({"g": graph}) as cluster:
        result: Any = cluster.graph("g", graph=graph).invoke({"size": 0})
        parts = cluster._server.partitions
        logged = sum(len(row[-1]) for part in parts for log in part.logs.values() for _, row in log.after((0, 0)))
        blobs = [len(data) for part in parts for data in part.blobs.values()]
        rows = sum(len(row[-1]) for part in parts for cell in part.cells.values() for _, row in cell.after((0, 0)))
    assert (len(result["text"]), result["size"]) == (SIZE, SIZE)
    assert len(blobs) == 1 and SIZE < blobs[0] < SIZE + 100
    assert logged < 20_000 and rows < 20_000
