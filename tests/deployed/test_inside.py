"""The services on threads of this process, on deployments of several servers: the part of these tests that `make test`
runs. The graphs are those of the cluster tests.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.cluster.apps import GRAPHS, Joke
from tests.deployed.test_failover import FAIR, Reading
from tests.deployments import RedisClusterServers, SentinelServers, await_true
from tests.inside import PARTITIONS, Inside
from tests.servers import shared_deployment

from drumline.cli.main import main
from drumline.config import get_stream_writer
from drumline.errors import LogGap
from drumline.graph import START, StateGraph
from drumline_protocol.ids import partition_of_run


async def wait(_state: Joke) -> Joke:
    get_stream_writer()("it waits")
    await asyncio.Event().wait()
    return {}


WAITS = StateGraph(Joke).add_node("wait", wait).add_edge(START, "wait").compile(name="waits")
SERVED = {"joke": GRAPHS["joke"], "tokens": GRAPHS["tokens"], "waits": WAITS}
COUNT = 80


def reading(client: Any) -> Reading:
    made = Reading(client, COUNT)
    made.start()
    await_true(lambda: len(made.tokens) > 5, "the run has begun")
    return made


def test_a_slot_moves_in_the_middle_of_a_run(own_masters: RedisClusterServers) -> None:
    """Fault 33: ASK, TRYAGAIN and MOVED. Nothing is lost, so the stream is whole."""
    with Inside(own_masters.url, SERVED) as inside:
        inside.coordinator()
        inside.worker()
        runs = [reading(inside.client()) for _ in range(3)]
        for p in range(PARTITIONS):
            tag = f"{{{inside.prefix}:{p}}}"
            home = own_masters.node_of(tag)
            own_masters.move(tag, next(server for server in own_masters.servers if server is not home))
        assert [run.verdict() for run in runs] == ["whole"] * 3


def test_a_coordinator_that_leaves_hands_its_partitions_over(three_masters: RedisClusterServers) -> None:
    with Inside(three_masters.url, SERVED) as inside:
        first = inside.coordinator()
        inside.worker()
        client = inside.client()
        run = reading(client)
        inside.coordinator()
        first.stop()
        assert run.verdict() == "whole"
        assert client.graph("joke").invoke({"topic": "ice"})["joke"] == "This is a joke about ice and cats"


def test_a_cancelled_run_frees_its_worker(three_masters: RedisClusterServers) -> None:
    """What every worker must hear stands in a control stream of the run's partition."""
    with Inside(three_masters.url, SERVED) as inside:
        inside.coordinator()
        inside.worker(concurrency=1)
        client = inside.client()
        for _ in range(3):
            run = client.graph("waits").stream({"topic": "ice"}, stream_mode="custom")
            assert next(run) == "it waits"
            run.close()
        assert client.graph("joke").invoke({"topic": "ice"})


def test_a_master_that_is_away_costs_its_own_partition(own_masters: RedisClusterServers) -> None:
    """No replica: runs in the other partition go on, and those of this one do when it is back."""
    with Inside(own_masters.url, SERVED) as inside:
        inside.coordinator()
        inside.worker(concurrency=16)
        client = inside.client()
        homes = [own_masters.node_of(f"{{{inside.prefix}:{p}}}") for p in range(PARTITIONS)]
        if homes[0] is homes[1]:
            own_masters.move(f"{{{inside.prefix}:1}}", next(s for s in own_masters.servers if s is not homes[0]))
        away = own_masters.node_of(f"{{{inside.prefix}:0}}")
        runs = [Reading(client, 400, thread=f"t{number}") for number in range(8)]
        for run in runs:
            run.start()
        await_true(lambda: all(len(run.tokens) > 5 for run in runs), "each run has begun")
        away.kill()
        others = [run for run in runs if partition_of_run(run.stream.run_id, PARTITIONS) == 1]
        assert 0 < len(others) < len(runs)
        seen = [len(run.tokens) for run in others]
        await_true(lambda: all(len(r.tokens) > n + 50 for r, n in zip(others, seen, strict=True)), "they go on")
        away.start()
        assert [run.verdict() for run in runs] == ["whole"] * len(runs)


@pytest.mark.parametrize("name", ["cluster3", "sentinel"])
def test_the_command_line_takes_such_an_address(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    deployment: Any = shared_deployment(name)
    with Inside(deployment.url, SERVED) as inside:
        inside.coordinator()
        inside.worker()
        where = ("--broker", deployment.url, "--prefix", inside.prefix)
        assert main(["run", "joke", "--input", '{"topic": "ice"}', *where]) == 0
        assert "This is a joke about ice and cats" in capsys.readouterr().out
        assert main(["ps", "--json", *where]) == 0
        told = json.loads(capsys.readouterr().out)
        assert [len(told[kind]) for kind in ("coordinators", "workers")] == [1, 1]
        # Its next heartbeat tells which partitions it holds
        await_true(lambda: main(["health", "coordinator", "c0", *where]) == 0, "the coordinator is well")
        assert main(["health", "worker", "w1", *where]) == 0
        assert main(["dead", "list", *where]) == 0 == main(["protocol", *where])


@pytest.mark.parametrize("lost", [False, True], ids=["replicas in step", "replicas behind"])
def test_a_replica_is_promoted_in_the_middle_of_a_run(own_sentinels: SentinelServers, lost: bool) -> None:
    with Inside(own_sentinels.url, SERVED) as inside:
        inside.coordinator()
        inside.worker()
        client = inside.client()
        run = reading(client)
        if lost:
            own_sentinels.freeze_replicas()
            seen = len(run.tokens)
            await_true(lambda: len(run.tokens) > seen + 10, "the reader sees what no replica has")
        own_sentinels.fail_over(thaw=lost)
        assert run.verdict() in ({"LogGap"} if lost else FAIR)
        run_id, position = run.stream.run_id, run.stream.position
        assert client.result(run_id)["said"] == " ".join(map(str, range(COUNT))), "the run itself goes on"
        if lost:
            with pytest.raises(LogGap):
                list(client.join(run_id, position, stream_mode=["custom", "values"]))
