"""Alarms: timers whose time has come, by Redis TIME, become messages in the inbox of their partition.

The commit that makes a task wait sets its timer, and the commit that handles the message drops it. So neither a crash
nor a takeover loses one. A message that comes twice does nothing: the machine knows for which attempt it waits.

All times of a partition are Redis TIME, told by a clock of this process that never jumps. What its host takes for the
time does not matter, nor what the host of the partition's last owner took for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from drumline_coordinator.troubles import Troubles
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.messages import TimerDue
from drumline_transport.broker import CoordinatorVerbs
from drumline_transport.errors import ServerError

#: timers of one partition that one turn lets ring
RING_MAX = 200

#: timers that cannot be read are left alone for this long
LOOK_AGAIN_MS = 5_000.0

#: how long nobody asks for Redis TIME at most. A host that was suspended, or a broker whose clock was set, is noticed.
LOOK_MS_MAX = 15_000.0

#: in place of a task in the name of a timer: it is the run that is to begin
BEGIN = "begin"

_NEVER = math.inf


def timer_member(run_id: str, task: str, attempt: int) -> str:
    """The name of a timer. A run id may hold any character, so it stands last."""
    return f"{task}:{attempt}:{run_id}"


def begin_member(run_id: str) -> str:
    """The name of the timer of a run that is to begin."""
    return timer_member(run_id, BEGIN, 0)


def timer_of(member: str) -> TimerDue | None:
    """What a timer says when it rings; None if it is none of ours."""
    task, _, rest = member.partition(":")
    attempt, _, run_id = rest.partition(":")
    if not (task and run_id and attempt.isdecimal() and attempt.isascii()):
        return None
    return TimerDue(run_id, task, int(attempt))


class Alarms:
    """The timers of the partitions that this process holds. For the main loop."""

    def __init__(
        self, broker: CoordinatorVerbs, codec: Codec, troubles: Troubles, steady_ms: Callable[[], float]
    ) -> None:
        self._broker = broker
        self._codec = codec
        self._troubles = troubles
        self._steady_ms = steady_ms
        #: when the timers of a partition are looked at next, by our clock; what was told but is not committed yet
        self._looks: dict[int, float] = {}
        self._told: dict[int, set[str]] = {}
        #: how far Redis TIME is ahead of our clock, by partition
        self._ahead: dict[int, float] = {}

    def now_ms(self, index: int) -> float:
        """Redis TIME of a partition that was adopted, also after that was dropped."""
        return self._steady_ms() + self._ahead[index]

    def adopt(self, index: int) -> None:
        """A partition was leased: its timers are looked at in the next turn. Raises NoBroker and ServerError."""
        self._told[index] = set()
        self._looks[index] = self._steady_ms()
        try:
            now, _ = self._broker.next_timer(index)
        except ServerError as error:  # what lies there are no timers
            self._tell(index, error)
            now = self._broker.time_ms()
        self._ahead[index] = now - self._steady_ms()

    def drop(self, index: int) -> None:
        """A partition was lost or let go."""
        self._looks.pop(index, None)
        self._told.pop(index, None)

    def committed(self, index: int, timers: Iterable[tuple[str, int]], done: Iterable[str]) -> None:
        """A commit sets these timers, and drops those that are `done`."""
        if index not in self._looks:
            return
        for _, at in timers:
            self._looks[index] = min(self._looks[index], at - self._ahead[index])
        self._told[index].difference_update(done)

    def rest_ms(self) -> float:
        """How long nobody needs to look."""
        return max(0.0, min(self._looks.values()) - self._steady_ms()) if self._looks else _NEVER

    def ring(self) -> None:
        """Tell the inboxes of the timers whose time has come. Raises NoBroker."""
        now = self._steady_ms()
        for index in [index for index, at in self._looks.items() if at <= now]:
            try:
                self._ring(index)
            except ServerError as error:
                self._tell(index, error)
                self._looks[index] = now + LOOK_AGAIN_MS

    def _ring(self, index: int) -> None:
        told = self._told[index]
        limit = RING_MAX + len(told)
        due = self._broker.due_timers(index, limit)
        for member in due:
            if member not in told:
                message = timer_of(member)
                if message is not None:
                    self._broker.push_inbox(index, message.run, wire.encode(self._codec, message))
                told.add(member)  # now: one that was not pushed rings again
        now, at = self._broker.next_timer(index)
        local = self._steady_ms()
        self._ahead[index] = now - local
        rest = LOOK_MS_MAX if at is None else min(at - now, LOOK_MS_MAX)
        self._looks[index] = local if len(due) >= limit else local + rest

    def _tell(self, index: int, error: ServerError) -> None:
        text = f"the timers of partition {index} cannot be read, so that its retries wait: {error.text}"
        self._troubles.tell(f"timers {index}", text)
