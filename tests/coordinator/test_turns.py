"""Turns of a coordinator's main loop: what it has heard of its commits when it handles what comes next."""

from __future__ import annotations

from tests.coordinator.keepers import APPS, House, Turned

from drumline_protocol import wire
from drumline_protocol.messages import RunRequest, TaskMessage, TaskResult
from drumline_transport.broker import Commit, CommitReply
from drumline_transport.memory import MemoryBroker


class Late(MemoryBroker):
    """The reply to a commit is on its way when the coordinator first looks for it."""

    _sent = False

    def send_commit(self, commit: Commit) -> None:
        super().send_commit(commit)
        self._sent = True

    def poll_commits(self, block_ms: int = 0) -> list[CommitReply]:
        if self._sent and not block_ms:
            self._sent = False
            return []
        return super().poll_commits(block_ms)


def test_who_has_read_the_end_of_a_run_asks_for_the_next_one_and_does_not_wait_in_the_queue() -> None:
    """Its commit is in the broker, so the reply is there before the request is. The request need not be queued."""
    house = House(partitions=1)
    coordinator = Turned(Late(house.server), "one")
    coordinator.turn()
    config = {"configurable": {"thread_id": "t"}}
    for run in ("r1", "r2", "r3"):
        house.broker.submit(0, run, wire.encode(APPS.codec, RunRequest(run, "g", {"l": ["i"]}, config)))
        coordinator.service.turn()
        assert house.broker.read_queue(0) == [] and house.broker.load_run(0, run)["status"] == b"open"
        [taken] = house.broker.take(["default"], "w", 5, 0)
        task: TaskMessage = wire.decode(APPS.codec, taken.data)
        result = TaskResult(run, task.task, task.attempt, "w", [["l", ["x"]]], token=task.token, events=0)
        house.broker.publish([(0, run, wire.encode(APPS.codec, result))], [(taken.pool, taken.id)])
        coordinator.service.turn()
        assert house.broker.load_run(0, run)["status"] == b"done"
