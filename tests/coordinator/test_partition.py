"""One partition, entry by entry: a batch goes in, a commit comes out."""

from __future__ import annotations

from typing import Any

from tests.coordinator.test_run import START, graph

from drumline_coordinator.apps import Apps
from drumline_coordinator.partition import REFUSALS_AT_ONCE, Partition
from drumline_protocol import wire
from drumline_protocol.messages import Refused, RunRequest, WorkersChanged
from drumline_transport.broker import START as START_POSITION
from drumline_transport.broker import Commit, InboxEntry, Lease, LogEntry


class NothingStored:
    """A loader that finds nothing but what the partition has in memory."""

    def load_run(self, p: int, run_id: str) -> dict[str, bytes]:  # noqa: ARG002
        return {}

    def load_log(self, p: int, run_id: str, after: str = "-") -> list[LogEntry]:  # noqa: ARG002
        return []

    def open_runs(self, p: int) -> list[str]:  # noqa: ARG002
        return ["r1"]


def test_a_task_that_is_refused_again_and_again_waits_for_the_next_round() -> None:
    # Given a run whose graph some worker holds, but another one keeps taking the task
    asked: list[int] = []
    apps = Apps({"g": graph((START, "a"))})
    lease = Lease(0, "n", 1, 0, START_POSITION, 0, "server")
    partition = Partition(lease, apps, NothingStored(), holders=lambda *_: 1, retry_later=asked.append)
    number = 0

    def feed(message: Any) -> Commit:
        nonlocal number
        number += 1
        commit = partition.handle(
            [InboxEntry(0, f"{number}-0", wire.encode(apps.codec, message), getattr(message, "run", "") or "r1")], 0.0
        )
        assert commit is not None
        return commit

    commit = feed(RunRequest("r1", "g", {"l": ["i"]}))
    refusals = 0
    while commit.tasks:
        task = wire.decode(apps.codec, commit.tasks[0].data)
        commit = feed(Refused("r1", task.task, task.attempt, "stranger", "no such graph"))
        refusals += 1
    # Then it is offered again at once a few times, and after that when the keeper says so
    assert refusals == REFUSALS_AT_ONCE and asked == [0]
    assert len(feed(WorkersChanged(0)).tasks) == 1
