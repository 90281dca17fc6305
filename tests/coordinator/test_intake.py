"""The intake: as much as a commit may answer, and one inbox that cannot be read keeps no other one from being read."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from drumline_coordinator import intake
from drumline_coordinator.intake import RETRY_S, Intake
from drumline_coordinator.troubles import Troubles
from drumline_protocol.limits import INBOX_BATCH_BYTES_MAX, INBOX_BATCH_ENTRIES_MAX
from drumline_transport.broker import START, InboxEntry
from drumline_transport.errors import ServerError


class Inboxes:
    """A broker that has entries of one size without end; some partitions cannot be read."""

    def __init__(self, size: int = 10) -> None:
        self.size = size
        self.bad: set[int] = set()
        self.counts: list[int] = []
        self.read: list[set[int]] = []

    def read_inbox(self, after: dict[int, Any], count: int, _block_ms: int) -> list[InboxEntry]:
        self.counts.append(count)
        self.read.append(set(after))
        if self.bad & set(after):
            raise ServerError("WRONGTYPE Operation against a key holding the wrong kind of value")
        return [InboxEntry(index, "1-0", b"x" * self.size) for index in after for _ in range(count)]


def intake_of(inboxes: Any, clock: list[float]) -> Intake:
    return Intake(inboxes, Troubles(logging.getLogger("drumline.coordinator"), lambda: clock[0]), lambda: clock[0])


def test_small_entries_are_read_in_large_batches_soon() -> None:
    inboxes = Inboxes(size=10)
    reading = intake_of(inboxes, [0.0])
    for _ in range(10):
        reading.read({0: START}, 0)
    assert inboxes.counts[0] == intake.READ_COUNT_FIRST and inboxes.counts[-1] == INBOX_BATCH_ENTRIES_MAX
    assert inboxes.counts == sorted(inboxes.counts)


def test_large_entries_are_read_few_at_a_time() -> None:
    inboxes = Inboxes(size=INBOX_BATCH_BYTES_MAX // 4)
    reading = intake_of(inboxes, [0.0])
    sizes = [sum(len(entry.data) for entry in reading.read({0: START}, 0)) for _ in range(5)]
    assert inboxes.counts[1:] == [4] * 4 and max(sizes[1:]) <= INBOX_BATCH_BYTES_MAX


def test_an_entry_larger_than_a_batch_is_read_alone() -> None:
    inboxes = Inboxes(size=INBOX_BATCH_BYTES_MAX + 1)
    reading = intake_of(inboxes, [0.0])
    for _ in range(3):
        reading.read({0: START}, 0)
    assert inboxes.counts[-1] == 1


def test_an_inbox_that_cannot_be_read_costs_its_partition_alone(caplog: pytest.LogCaptureFixture) -> None:
    # Given three partitions, the inbox of one of which is a key of another type
    inboxes, clock = Inboxes(), [100.0]
    inboxes.bad = {1}
    reading = intake_of(inboxes, clock)
    after = dict.fromkeys((0, 1, 2), START)
    # When they are read, again and again
    for _ in range(4):
        assert {entry.partition for entry in reading.read(after, 0)} == {0, 2}
    # Then it is told of once, by name, and the others are read as one again
    assert len(caplog.messages) == 1 and "partition 1" in caplog.messages[0]
    assert inboxes.read[-1] == {0, 2}
    # And it is served as soon as somebody has mended it
    inboxes.bad.clear()
    clock[0] += RETRY_S + 1
    assert {entry.partition for entry in reading.read(after, 0)} == {0, 1, 2}
