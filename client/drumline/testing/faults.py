"""What goes wrong in a simulated cluster: by chance (`Faults`), or once at a named moment (the other classes here)."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from random import Random
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from typing_extensions import Self

#: field -> the lowest and the highest chance that `draw` gives it, in the order in which they are drawn
Ranges = dict[str, tuple[float, float]]

_RANGES: Ranges = {
    "crash_coordinator": (0.002, 0.05),
    "crash_worker": (0.002, 0.03),
    "pause_coordinator": (0.002, 0.05),
    "pause_worker": (0.002, 0.02),
    "restart_broker": (0.001, 0.02),
    "lose_entry": (0.002, 0.03),
    "lose_task": (0.001, 0.02),
    "forget_deliveries": (0.1, 0.9),
    "slow_wire": (0.5, 0.97),
    "lose_reply": (0.01, 0.3),
    "repeat_publish": (0.01, 0.3),
    "split_publish": (0.2, 1.0),
    "lose_delivery": (0.01, 0.1),
    "repeat_task": (0.01, 0.2),
}


@dataclass(slots=True)
class Faults:
    """Chances of faults, from 0 to 1. `Faults()` is a calm cluster; `Faults.rough()` has everything at once.

    The first group is a chance per step of the whole cluster, of which a short run has some hundred. The second group
    is a chance per act that could go wrong. A process that crashed is replaced some virtual seconds later.
    """

    #: a coordinator dies, perhaps in the middle of a commit; another one takes over
    crash_coordinator: float = 0.0
    #: a worker dies; its tasks run again on another one
    crash_worker: float = 0.0
    #: a coordinator stops for longer than its lease and then goes on (SIGSTOP, SIGCONT)
    pause_coordinator: float = 0.0
    #: a worker stops for longer than its lease and then goes on: a zombie
    pause_worker: float = 0.0
    #: the broker restarts
    restart_broker: float = 0.0

    #: something that a worker wrote vanishes, as when the tail of an append-only file is cut
    lose_entry: float = 0.0
    #: a task on its way to a worker is deleted, or all of them
    lose_task: float = 0.0
    #: somebody writes bytes that nobody can read
    hostile: float = 0.0
    #: the log or the record of an open run is changed or deleted: that run fails, and its readers are told
    damage: float = 0.0

    #: a restarted broker forgot to whom it had delivered its newest tasks: it delivers them again
    forget_deliveries: float = 0.0
    #: how much slower than all else commits are on their way
    slow_wire: float = 0.0
    #: a commit was applied, its reply got lost with the connection: all unanswered commits are sent again
    lose_reply: float = 0.0
    #: what a worker published was applied, its reply got lost: it is published again
    repeat_publish: float = 0.0
    #: a crashing worker got its results out, but not the acknowledgement of their tasks
    split_publish: float = 0.0
    #: tasks were delivered, and the reply got lost: nobody works on them until their lease is over
    lose_delivery: float = 0.0
    #: a task is delivered twice to one worker
    repeat_task: float = 0.0
    #: a node emits something behind its result; no stream shows it
    late_event: float = 0.0
    #: a worker that starts does not hold the graphs
    stranger: float = 0.0

    RANGES: ClassVar[Ranges] = _RANGES

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value <= 1:
                raise ValueError(f"Faults({field.name}={value!r}): a chance is a number from 0 to 1")

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """Faults drawn from a seed. About half of them are left out, so that some seeds have one kind of trouble."""
        faults = cls()
        for name, (low, high) in cls.RANGES.items():
            if rng.random() < 0.55:
                setattr(faults, name, math.exp(rng.uniform(math.log(low), math.log(high))))
        return faults

    @classmethod
    def rough(cls) -> Self:
        """Every fault that a run survives with an unchanged stream, at once and often."""
        return cls(**{name: math.sqrt(low * high) for name, (low, high) in cls.RANGES.items()})


@dataclass(frozen=True, slots=True)
class CrashWorker:
    """The worker that runs a node dies before the node's result gets out, and another one takes its place.

    What the node's code does outside of the graph has happened by then, and happens again in the next attempt. `nth` is
    which execution of the node is meant, from 1; `after_events` is how many of its stream events (custom writes,
    tokens) get out before.
    """

    node: str
    nth: int = 1
    after_events: int = 0


@dataclass(frozen=True, slots=True)
class PauseWorker:
    """The worker that runs a node stops for some virtual seconds, then goes on and tells a result that nobody wants.

    The default is longer than a task's lease, so another worker runs the node meanwhile.
    """

    node: str
    nth: int = 1
    after_events: int = 0
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class CrashCoordinator:
    """The coordinator dies at the cluster's n-th commit of facts, and another one takes over.

    With `arrives` the commit is applied and its reply is not read; without, it never leaves the coordinator. Each
    superstep has at least one commit; the first one of a run accepts it.
    """

    commit: int
    arrives: bool = True


@dataclass(frozen=True, slots=True)
class LoseReply:
    """The n-th commit of facts is applied, and the connection breaks before its reply is read: it is sent again."""

    commit: int


@dataclass(frozen=True, slots=True)
class LoseResultReply:
    """The result of a node is published, and the reply gets lost: the worker publishes it again."""

    node: str
    nth: int = 1


@dataclass(frozen=True, slots=True)
class RestartBroker:
    """The broker restarts behind the n-th commit of facts.

    With `lost_tail` it comes back without its newest writes that no commit has taken in: what workers have just
    published is gone, and tasks that were just delivered are delivered again.
    """

    commit: int
    lost_tail: bool = False


NamedFault = CrashWorker | PauseWorker | CrashCoordinator | LoseReply | LoseResultReply | RestartBroker
#: which kind of process an imperative fault may name
Kind = Literal["worker", "coordinator"]
