"""The async readers: the twins of those in `runs`, many on one event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.chaos.expected import MODES
from tests.chaos.graphs import INPUTS
from tests.chaos.runs import AGAIN_S, Driver, Run

from drumline import Cluster
from drumline.graph.call_types import RunConfig


def serve_loop(driver: Driver, name: str, cluster: Cluster, tasks: int) -> None:
    """`tasks` readers on a loop of their own, until the driver stops."""

    async def serve_all() -> None:
        await asyncio.gather(*(_serve(driver, f"{name}.{number}", cluster) for number in range(tasks)))

    asyncio.run(serve_all())


async def _serve(driver: Driver, name: str, cluster: Cluster) -> None:
    source = driver.source(name)
    while not driver.stopping.is_set():
        run = driver.next_run(source)
        while not run.outcome:
            try:
                await _read(driver, cluster, run)
            except BaseException as error:
                if not driver.judge(run, error):
                    await asyncio.sleep(AGAIN_S)


async def _read(driver: Driver, cluster: Cluster, run: Run) -> None:
    stream = await _open(driver, cluster, run)
    async for item in stream:
        run.items.append(item)
        run.position = stream.position
        if len(run.items) == run.breaks_at:
            if run.habit == "joins again":
                run.breaks_at = -1
                await stream.aclose()
                return await _read_on(driver, driver.ajoin(cluster, run), run)
            if run.habit == "cancels":
                await asyncio.to_thread(cluster.cancel, run.id, "the client has seen enough")
    driver.ended(run)
    return None


async def _read_on(driver: Driver, stream: Any, run: Run) -> None:
    async for item in stream:
        run.items.append(item)
        run.position = stream.position
    driver.ended(run)


async def _open(driver: Driver, cluster: Cluster, run: Run) -> Any:
    if run.items:
        return driver.ajoin(cluster, run)
    graph, given, config = cluster.graph(run.graph), INPUTS[run.graph](run.variant), RunConfig(run_id=run.id)
    if run.habit == "starts, then joins":
        await graph.astart(given, config)
        return driver.ajoin(cluster, run)
    return graph.astream(given, config, stream_mode=MODES, subgraphs=True, on_close="continue")
