"""The keeper on real servers: rubbish under its keys ends nothing, and an idle cluster costs little."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.coordinator.keepers import APPS
from tests.servers import Backend, real_backend, wait_until

from drumline_coordinator.service import Coordinator, CoordinatorSettings
from drumline_protocol import wire
from drumline_protocol.messages import RunRequest

__all__ = ["real_backend"]

Start = Callable[..., Coordinator]


@pytest.fixture
def start(real_backend: Backend) -> Iterator[Start]:
    """Starts a coordinator with its two threads; all are stopped, and none may have failed."""
    started: list[tuple[Coordinator, threading.Thread, list[BaseException]]] = []

    def start(name: str, **settings: Any) -> Coordinator:
        coordinator = Coordinator(real_backend.connect(), APPS, name, CoordinatorSettings(**settings))
        errors: list[BaseException] = []

        def run() -> None:
            try:
                coordinator.run()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        started.append((coordinator, thread, errors))
        return coordinator

    yield start
    for coordinator, _, _ in started:
        coordinator.stop()
    for _, thread, errors in started:
        thread.join(timeout=10)
        assert not thread.is_alive() and not errors


def submit(backend: Backend, run_id: str, partition: int) -> None:
    request = wire.encode(APPS.codec, RunRequest(run_id, "g", {"l": ["i"]}))
    backend.connect().submit(partition, run_id, request)


def held(coordinator: Coordinator) -> list[int]:
    return sorted(lease.partition for lease in coordinator.leases)


def depth(backend: Backend) -> tuple[int, int]:
    return backend.connect().queue_depths(["default"])["default"]


def test_rubbish_everywhere_costs_one_partition(
    real_backend: Backend, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    prefix, raw = real_backend.prefix, real_backend.raw
    one = start("one", lease_ms=400)
    wait_until(lambda: held(one) == list(range(8)))
    now = real_backend.connect().time_ms()
    for kind in ("workers", "coordinators"):
        for name, value in (
            (b"\xff", b"\xff"),
            (b"deep", b"%d " % now + b"[" * 10_000),
            (b"ahead", b"9" * 14 + b" {}"),
        ):
            raw("HSET", f"{prefix}:{kind}", name, value)
    raw("SET", f"{{{prefix}:0}}:lease", "rubbish")
    raw(
        "HSET",
        f"{{{prefix}:1}}:lease",
        "until",
        "never",
        "epoch",
        "x",
        "commit",
        "-",
        "position",
        "?",
        "owner",
        b"\xff",
    )
    raw("SADD", f"{{{prefix}:2}}:open", b"\xff\xfe")
    raw("SET", f"{prefix}:tasks:gpu", "rubbish")
    # Then all but the first partition are served, the second one under a new epoch
    wait_until(lambda: held(one) == list(range(1, 8)))
    for partition in range(1, 8):
        submit(real_backend, f"r{partition}", partition)
    wait_until(lambda: depth(real_backend) == (7, 0))
    # And it was told by name, once
    key = f"{{{prefix}:0}}:lease"
    told = [record.getMessage() for record in caplog.records if key in record.getMessage()]
    assert len(told) == 1 and "WRONGTYPE" in told[0]
    # When the key is gone, then the partition is served again
    raw("DEL", key)
    wait_until(lambda: held(one) == list(range(8)))
    raw("DEL", f"{prefix}:tasks:gpu")


def test_a_group_that_was_destroyed_is_made_again(real_backend: Backend, start: Start) -> None:
    one = start("one", lease_ms=400)
    wait_until(lambda: held(one) == list(range(8)))
    submit(real_backend, "r", 0)
    wait_until(lambda: depth(real_backend) == (1, 0))
    key = f"{real_backend.prefix}:tasks:default"
    real_backend.raw("XGROUP", "DESTROY", key, "workers")
    wait_until(lambda: len(real_backend.raw("XINFO", "GROUPS", key)) == 1)


@pytest.mark.parametrize("how", ["entry", "stream", "acknowledged"])
def test_a_task_that_somebody_deleted_is_given_out_anew(real_backend: Backend, start: Start, how: str) -> None:
    one = start("one", lease_ms=400, lost_sweep_ms=400, task_lease_ms=60_000)
    wait_until(lambda: held(one) == list(range(8)))
    submit(real_backend, "r", 0)
    wait_until(lambda: depth(real_backend) == (1, 0))
    broker, key = real_backend.connect(), f"{real_backend.prefix}:tasks:default"
    [first] = broker.take(["default"], "w", 1, 0)
    if how == "entry":
        real_backend.raw("XDEL", key, first.id)
    elif how == "stream":
        real_backend.raw("DEL", key)
    else:
        real_backend.raw("XACK", key, "workers", first.id)
    again: list[Any] = []
    wait_until(lambda: bool(again.extend(broker.take(["default"], "w", 1, 0)) or again))
    assert wire.decode(APPS.codec, again[0].data).attempt == 2


@pytest.mark.parametrize("part", ["run", "log"])
def test_a_run_whose_record_or_log_was_deleted_ends(real_backend: Backend, start: Start, part: str) -> None:
    one = start("one", lease_ms=400, lost_sweep_ms=400)
    wait_until(lambda: held(one) == list(range(8)))
    submit(real_backend, "r", 0)
    wait_until(lambda: depth(real_backend) == (1, 0))
    real_backend.raw("DEL", f"{{{real_backend.prefix}:0}}:{part}:r")
    broker = real_backend.connect()
    wait_until(lambda: broker.open_runs(0) == [])


def commands_of_a_turn(real_backend: Backend, coordinators: list[Coordinator]) -> int:
    """What the server does in one turn of each keeper, calls from within scripts included."""
    real_backend.raw("CONFIG", "RESETSTAT")
    for coordinator in coordinators:
        coordinator.keeper.turn()
    info = real_backend.raw("INFO", "commandstats").decode()
    calls = {
        line.partition(":")[0]: int(line.split("calls=")[1].split(",")[0])
        for line in info.splitlines()
        if "calls=" in line
    }
    return sum(count for name, count in calls.items() if not name.startswith(("cmdstat_config", "cmdstat_info")))


#: two coordinators with 4 of 8 partitions each, one pool: what a turn of both cost when each verb was a call of its own
COMMANDS_BEFORE = 48


def test_an_idle_cluster_costs_little(real_backend: Backend) -> None:
    settings = CoordinatorSettings(lost_sweep_ms=3_600_000)
    two = [Coordinator(real_backend.connect(), APPS, name, settings) for name in ("one", "two")]
    for _ in range(8):
        for coordinator in two:
            coordinator.keeper.turn()
            coordinator.turn()
    assert [held(coordinator) for coordinator in two] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    cost = commands_of_a_turn(real_backend, two)
    print(f"\nan idle turn of two keepers: {cost} commands (before: {COMMANDS_BEFORE})")
    assert cost <= 1.5 * COMMANDS_BEFORE
    # And of these each keeper asks in few round trips
    for coordinator in two:
        trips = []
        line: Any = coordinator.keeper._broker
        genuine = line._keeper.run
        line._keeper.run = lambda use, genuine=genuine, trips=trips: (trips.append(1), genuine(use))[1]
        line._any.run = lambda _use: pytest.fail("an idle keeper uses its own line alone")
        coordinator.keeper.turn()
        assert len(trips) <= 3
        del line._keeper.run, line._any.run


def test_presence_tells_what_is_held(real_backend: Backend) -> None:
    one = Coordinator(real_backend.connect(), APPS, "one")
    one.keeper.turn()
    one.keeper.turn()
    info, _ = real_backend.connect().members("coordinators")["one"]
    assert json.loads(info) == {
        "partitions": list(range(8)),
        "graphs": {"g": APPS.programs["g"].fingerprint},
        "pools": ["default"],
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
