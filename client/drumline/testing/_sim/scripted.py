"""What nodes say in a simulated worker: kept as a script, and let into the outbox line by line."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from drumline_protocol.codec import Codec
from drumline_worker.outbox import Execution, Outbox


@dataclass(slots=True)
class Replay:
    """One execution of a task entry: what of it has not reached the outbox yet."""

    execution: Execution
    script: deque[tuple[str, bytes]] = field(default_factory=deque)
    #: large values that messages in the script name, in their order
    blobs: deque[Any] = field(default_factory=deque)
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
        kind = self.script[0][0]
        return self.held_at is None or (kind == "event" and self.spoken < self.held_at) or kind == "say"


class ScriptedOutbox(Outbox):
    """The production outbox behind a front that keeps what nodes say, until the simulator lets a line through."""

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec)
        self.replays: dict[Execution, Replay] = {}
        self.queued = False

    def _replay(self, execution: Execution) -> Replay:
        return self.replays.setdefault(execution, Replay(execution))

    def event(self, execution: Execution, item: bytes) -> None:
        replay = self._replay(execution)
        replay.emitted += 1
        replay.script.append(("event", item))

    def emitted(self, execution: Execution) -> int:
        return self._replay(execution).emitted

    def say(self, execution: Execution, message: bytes, blobs: Sequence[tuple[str, bytes]] = ()) -> None:
        replay = self._replay(execution)
        replay.script.append(("say", message))
        replay.blobs.append(blobs)

    def seal(self, execution: Execution) -> int:
        replay = self._replay(execution)
        replay.script.append(("seal", b""))
        return replay.emitted

    def answer(self, execution: Execution, message: bytes) -> None:
        self._replay(execution).script.append(("answer", message))

    def claim(self) -> bool:
        """No thread of the runner sends by itself: the simulator does."""
        return False

    def hold(self, execution: Execution, events: int) -> None:
        """Let no more than so many events of an execution out, and no answer."""
        self._replay(execution).held_at = events

    def release_hold(self, execution: Execution) -> None:
        """Let out what was held."""
        self._replay(execution).held_at = None

    def is_at_hold(self, execution: Execution) -> bool:
        """Whether all has reached the outbox that may."""
        replay = self.replays.get(execution)
        return replay is None or not replay.may_speak

    @property
    def speaking(self) -> list[Replay]:
        return [replay for replay in self.replays.values() if replay.may_speak]

    def speak(self, replay: Replay) -> str:
        """The next line of a node's script reaches the outbox."""
        execution = replay.execution
        kind, data = replay.script.popleft()
        if kind == "seal":
            super().seal(execution)
        elif kind == "event":
            super().event(execution, data)
            replay.spoken += 1
        elif kind == "say":
            super().say(execution, data, replay.blobs.popleft())
        else:
            super().answer(execution, data)
        self.queued = self.queued or kind != "seal"
        if execution.answered and not replay.script:
            del self.replays[execution]
        return f"{kind} of {execution.task[:4]}/{execution.attempt}"
