"""An answer that has not the form that was asked for: its task fails at once, the run when the siblings have ended."""

from __future__ import annotations

import asyncio
import operator
import threading
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ValidationError
from tests.differential.engines import ADAPTED, DRUMLINE, DRUMLINE_STRICT, LANGGRAPH, Engine
from typing_extensions import TypedDict

from drumline.testing import local_cluster

engines = pytest.mark.parametrize("e", [LANGGRAPH, DRUMLINE, DRUMLINE_STRICT, ADAPTED], ids=lambda e: e.name)
CONFIG = {"configurable": {"thread_id": "t"}}


class Form(BaseModel):
    ok: bool


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


class Desk:
    """Two nodes that ask in one superstep. The one whose answer fits is at work when the other one fails."""

    def __init__(self, e: Engine, depth: int) -> None:
        self.sent: list[str] = []
        self.e = e
        self.refused = threading.Event()
        self.builder: Any = self._graph()
        for _ in range(depth):
            around = e.StateGraph(State).add_node("sub", self.builder.compile()).add_edge(e.START, "sub")
            self.builder = around.add_node("beside", self._beside).add_edge(e.START, "beside")

    def _graph(self) -> Any:
        async def send(_state: State) -> State:
            self.e.interrupt("send?", response_schema=Form)
            self.sent.append("email")
            await self._refusal()
            return {"log": ["sent"]}

        async def check(_state: State) -> State:
            try:
                self.e.interrupt("check?", response_schema=Form)
            except ValidationError:
                self.refused.set()
                raise
            return {"log": ["checked"]}

        nodes = self.e.StateGraph(State).add_node("send", send).add_node("check", check)
        return nodes.add_edge(self.e.START, "send").add_edge(self.e.START, "check")

    async def _beside(self, _state: State) -> State:
        if self.e.interrupt("beside?"):
            await self._refusal()
        return {"log": ["beside"]}

    async def _refusal(self) -> None:
        """Wait until the other node was refused, and let the runner hear of it."""
        assert await asyncio.to_thread(self.refused.wait, 10)
        for _ in range(20):
            await asyncio.sleep(0)


async def _answered(desk: Desk, graph: Any) -> Any:
    """What the caller is told, what waits then, and how it ends with an answer that fits."""
    await graph.ainvoke({"log": []}, CONFIG)
    ids = {each.value: each.id for each in (await graph.aget_state(CONFIG)).interrupts}
    answers = {ids["send?"]: {"ok": True}, ids["check?"]: {"ok": "perhaps"}}
    answers |= {ids["beside?"]: True} if "beside?" in ids else {}
    with pytest.raises(ValidationError, match="ok"):
        await graph.ainvoke(desk.e.Command(resume=answers), CONFIG)
    waiting = sorted(each.value for each in (await graph.aget_state(CONFIG)).interrupts)
    end = await graph.ainvoke(desk.e.Command(resume={ids["check?"]: {"ok": True}}), CONFIG)
    return waiting, list(desk.sent), sorted(end["log"])


EXPECTED = [
    (["check?"], ["email"], ["checked", "sent"]),
    # Around the graph that failed the questions stand as they were; what was answered is done all the same.
    (["check?", "send?"], ["email"], ["beside", "checked", "sent"]),
]


@engines
@pytest.mark.parametrize("depth", [0, 1])
def test_siblings_of_a_refused_answer_come_to_their_end(e: Engine, depth: int) -> None:
    desk = Desk(e, depth)
    graph = e.runnable(desk.builder.compile(checkpointer=e.InMemorySaver()))
    assert asyncio.run(_answered(desk, graph)) == EXPECTED[depth]


@pytest.mark.parametrize("depth", [0, 1])
def test_so_they_do_on_a_cluster(depth: int) -> None:
    desk = Desk(DRUMLINE, depth)
    with local_cluster({"g": desk.builder.compile()}) as cluster:
        assert asyncio.run(_answered(desk, cluster.graph("g"))) == EXPECTED[depth]
