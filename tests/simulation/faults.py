"""What goes wrong in a seed, and how often. Everything is drawn from the seed."""

import math
from dataclasses import dataclass, fields
from random import Random


@dataclass(slots=True)
class Faults:
    """Chances of faults. The first group: per step of the whole cluster; the second: per act that could go wrong.

    A fault is left out of about half of the seeds, so that some seeds are calm but for one kind of trouble.
    """

    crash_coordinator: float = 0.0
    crash_worker: float = 0.0
    pause_coordinator: float = 0.0
    pause_worker: float = 0.0
    restart_broker: float = 0.0

    #: an entry of an inbox vanishes; a task entry is deleted, or a whole task stream
    lose_entry: float = 0.0
    lose_task: float = 0.0
    #: somebody writes bytes that nobody can read
    hostile: float = 0.0
    #: the log or the record of an open run is changed or deleted
    damage: float = 0.0

    #: a restarted broker forgot to whom it had delivered its newest task entries: it delivers them again
    forget_deliveries: float = 0.0
    #: how much slower than all else commits are on their way
    slow_wire: float = 0.0
    #: a commit was applied, its reply got lost with the connection: all unanswered commits are sent again
    lose_reply: float = 0.0
    #: a worker's write was applied, its reply lost: it is sent again
    repeat_publish: float = 0.0
    #: a crashing worker got its inbox entries out, but not the acknowledgement
    split_publish: float = 0.0
    #: task entries were delivered, and the reply lost: nobody works on them
    lose_delivery: float = 0.0
    #: a delivered task is run twice by the same worker
    repeat_task: float = 0.0
    #: a node goes on to emit behind its return
    late_event: float = 0.0
    #: a run request arrives twice
    repeat_submit: float = 0.0
    #: a reader loses its connection, and joins again behind its position
    drop_reader: float = 0.0
    #: a worker without the graph is among the workers
    stranger: float = 0.0
    #: the run is cancelled at some moment
    cancel: float = 0.0
    #: whoever handles the run's request dies of it
    poison: float = 0.0

    @classmethod
    def draw(cls, rng: Random) -> "Faults":
        """The faults of a seed."""
        faults = cls()
        for field in fields(cls):
            low, high = _RANGES[field.name]
            if rng.random() < 0.55:
                setattr(faults, field.name, math.exp(rng.uniform(math.log(low), math.log(high))))
        return faults

    @classmethod
    def rough(cls) -> "Faults":
        """Everything at once, and often: what the services must not survive with a bug in them."""
        return cls(**{name: math.sqrt(low * high) for name, (low, high) in _RANGES.items()})


_RANGES = {
    "crash_coordinator": (0.002, 0.05),
    "crash_worker": (0.002, 0.03),
    "pause_coordinator": (0.002, 0.05),
    "pause_worker": (0.002, 0.02),
    "restart_broker": (0.001, 0.02),
    "lose_entry": (0.002, 0.03),
    "lose_task": (0.001, 0.02),
    "hostile": (0.005, 0.1),
    "damage": (0.0005, 0.01),
    "forget_deliveries": (0.1, 0.9),
    "slow_wire": (0.5, 0.97),
    "lose_reply": (0.01, 0.3),
    "repeat_publish": (0.01, 0.3),
    "split_publish": (0.2, 1.0),
    "lose_delivery": (0.01, 0.1),
    "repeat_task": (0.01, 0.2),
    "late_event": (0.01, 0.3),
    "repeat_submit": (0.1, 0.9),
    "drop_reader": (0.01, 0.3),
    "stranger": (0.1, 0.5),
    "cancel": (0.02, 0.2),
    "poison": (0.02, 0.1),
}
