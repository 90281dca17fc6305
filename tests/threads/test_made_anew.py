"""A thread, or a run, that is deleted and made anew under the same id: nothing of the old one comes back."""

from __future__ import annotations

import operator
import uuid
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from typing_extensions import TypedDict

from drumline.graph import START, StateGraph
from drumline.testing import LocalCluster, local_cluster
from drumline_protocol.limits import CELL_INLINE_BYTES_MAX

LARGE = CELL_INLINE_BYTES_MAX + 1
TURNS = 4


class Talk(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    seen: list[str]


def answer(state: Talk) -> Talk:
    return {"log": ["a" * LARGE], "seen": [text[0] for text in state["log"]]}


def look(state: Talk) -> Talk:
    return {"seen": [*state["seen"], *(text[0] for text in state["log"])]}


GRAPH = StateGraph(Talk).add_node(answer).add_node(look).add_edge(START, "answer").add_edge("answer", "look").compile()


def talk(cluster: LocalCluster, who: str) -> list[set[str]]:
    """What the nodes of each turn have seen of a talk, by its letters."""
    config: Any = {"configurable": {"thread_id": "t"}}
    graph = cluster.graph("talk")
    said = [graph.invoke({"log": [who * LARGE]}, config) for _ in range(TURNS)]
    (state,) = [graph.get_state(config).values]
    return [*({*each["seen"]} for each in said), {text[0] for text in state["log"]}]


def alone(cluster: LocalCluster, who: str) -> list[set[str]]:
    """The same of one run that is on no thread, under an id of its caller's."""
    run = uuid.UUID(int=7)
    cluster.graph("talk").start({"log": [who * LARGE] * TURNS}, {"run_id": run})
    return [{*cluster.result(str(run))["seen"]}]


def delete_thread(cluster: LocalCluster) -> None:
    cluster.threads.delete("t")


def delete_run(cluster: LocalCluster) -> None:
    cluster.delete(str(uuid.UUID(int=7)))


@pytest.mark.parametrize(("says", "deletes"), [(talk, delete_thread), (alone, delete_run)])
def test_nothing_of_the_old_one_is_seen(
    says: Callable[[LocalCluster, str], list[set[str]]], deletes: Callable[[LocalCluster], None]
) -> None:
    with local_cluster({"talk": GRAPH}, workers=1) as cluster:
        for who in "xyz":
            for seen in says(cluster, who):
                assert seen == {who, "a"}
            deletes(cluster)
