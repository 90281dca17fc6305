"""Calls of `@task`s that their caller cancels end as LangGraph's do, in one process and on a cluster."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.differential.harness import ASYNC_ORACLE
from tests.inside import LIMIT_S, Inside

pytestmark = pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")

#: what tasks did, and that they have begun
LEDGER: list[str] = []
begun = threading.Event()


def entrypoints(e: Any) -> dict[str, Any]:
    """Each calls a task that ends only when it is cancelled."""

    @e.task
    async def endless(name: str) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            LEDGER.append(f"{name} is cancelled")
            raise

    @e.task
    async def around(name: str) -> None:
        try:
            await endless(name)
        except asyncio.CancelledError:
            LEDGER.append(f"around {name} is cancelled")
            raise

    @e.task
    def quick(number: int) -> int:
        return number

    async def begins() -> None:
        await asyncio.to_thread(begun.wait, LIMIT_S)

    async def told(future: Any) -> Any:
        try:
            return await future
        except asyncio.CancelledError:
            return "cancelled"

    async def running(_input: int) -> Any:
        future = endless("a")
        await begins()
        return [future.cancel(), future.cancelled(), await told(future), await quick(1), future.cancel()]

    async def too_long(_input: int) -> Any:
        try:
            await asyncio.wait_for(endless("a"), 0.01)
        except asyncio.TimeoutError:
            return ["too long", await quick(1)]

    async def first_of_two(_input: int) -> Any:
        futures = [endless("a"), quick(1)]
        done, pending = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        return [future.cancel() for future in pending], [future.result() for future in done]

    async def and_leaves(_input: int) -> Any:
        future = endless("a")
        await begins()
        return future.cancel()

    async def at_once(_input: int) -> Any:
        future = endless("a")
        return [future.cancel(), await told(future), await quick(1)]

    async def a_caller(_input: int) -> Any:
        future = around("a")
        await begins()
        return [future.cancel(), await told(future)]

    async def one_that_has_ended(_input: int) -> Any:
        future = quick(1)
        return [await future, future.cancel(), future.cancelled()]

    whole = (running, too_long, first_of_two, and_leaves, at_once, a_caller, one_that_has_ended)
    return {each.__name__: e.entrypoint()(each) for each in whole}


GRAPHS = entrypoints(DRUMLINE)


@pytest.fixture(scope="module")
def cluster(server: Any) -> Iterator[Callable[[str], Any]]:
    with Inside(server.url, GRAPHS) as inside:
        inside.coordinator()
        inside.worker(pools=("default", "default@calls"))
        yield inside.client().graph


def how(error: Any) -> str:
    """A client of a cluster is shown an exception of that class as data (`RemoteError`)."""
    return "cancelled" if "CancelledError" in repr(error) else repr(error)


def ends(graph: Any) -> Any:
    """What the entrypoint returns, and how each task ends; the run ends, though nothing else ends the endless one."""
    LEDGER.clear()
    begun.clear()

    async def main() -> Any:
        modes = ["tasks", "values"]
        items = [item async for item in graph.astream(1, stream_mode=modes)]
        found = [item for mode, item in items if mode == "tasks" and "result" in item]
        return items[-1][1], sorted((each["name"], how(each["error"]), repr(each["result"])) for each in found)

    return asyncio.run(asyncio.wait_for(main(), LIMIT_S))


@pytest.mark.parametrize("name", GRAPHS)
def test_the_task_is_cancelled_too(name: str, cluster: Callable[[str], Any]) -> None:
    expected = ends(entrypoints(LANGGRAPH)[name]), sorted(LEDGER)
    assert (ends(GRAPHS[name]), sorted(LEDGER)) == expected
    assert ends(cluster(name)) == expected[0]  # its task hears of it a moment later
