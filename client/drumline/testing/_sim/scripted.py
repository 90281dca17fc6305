"""What nodes say in a simulated worker: kept as a script, and let into the outbox line by line."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from drumline_protocol.codec import Codec
from drumline_worker.outbox import Outbox, Slot


@dataclass(slots=True)
class Execution:
    """One execution of a task entry: what of it has not reached the outbox yet."""

    slot: Slot
    script: deque[tuple[str, bytes]] = field(default_factory=deque)
    #: events that are in the script, or were
    emitted: int = 0
    #: events that have reached the outbox
    spoken: int = 0
    #: no more than so many events get out, and no answer, until a planned fault has happened
    held_at: int | None = None

    @property
    def may_speak(self) -> bool:
        """Whether its next line may reach the outbox."""
        if not self.script:
            return False
        return self.held_at is None or (self.script[0][0] == "event" and self.spoken < self.held_at)


class ScriptedOutbox(Outbox):
    """The production outbox behind a front that keeps what nodes say, until the simulator lets a line through."""

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec)
        self.executions: dict[Slot, Execution] = {}
        self.queued = False

    def _of(self, slot: Slot) -> Execution:
        return self.executions.setdefault(slot, Execution(slot))

    def event(self, slot: Slot, item: bytes) -> None:
        execution = self._of(slot)
        execution.emitted += 1
        execution.script.append(("event", item))

    def seal(self, slot: Slot) -> int:
        execution = self._of(slot)
        execution.script.append(("seal", b""))
        return execution.emitted

    def answer(self, slot: Slot, message: bytes) -> None:
        self._of(slot).script.append(("answer", message))

    def claim(self) -> bool:
        """No thread of the crew sends by itself: the simulator does."""
        return False

    def hold(self, slot: Slot, events: int) -> None:
        """Let no more than so many events of an execution out, and no answer."""
        self._of(slot).held_at = events

    def release_hold(self, slot: Slot) -> None:
        """Let out what was held."""
        self._of(slot).held_at = None

    def is_at_hold(self, slot: Slot) -> bool:
        """Whether all has reached the outbox that may."""
        execution = self.executions.get(slot)
        return execution is None or not execution.may_speak

    @property
    def speaking(self) -> list[Execution]:
        return [execution for execution in self.executions.values() if execution.may_speak]

    def speak(self, execution: Execution) -> str:
        """The next line of a node's script reaches the outbox."""
        slot = execution.slot
        kind, data = execution.script.popleft()
        if kind == "seal":
            super().seal(slot)
        elif kind == "event":
            super().event(slot, data)
            execution.spoken += 1
        else:
            super().answer(slot, data)
        self.queued = self.queued or kind != "seal"
        if slot.answered and not execution.script:
            del self.executions[slot]
        return f"{kind} of {slot.task[:4]}/{slot.attempt}"
