"""The faults of a seed: those of the kit, and what its own clients do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from drumline.testing import Faults as KitFaults
from drumline.testing.faults import Ranges

_RANGES = KitFaults.RANGES


@dataclass(slots=True)
class Faults(KitFaults):
    """Chances of faults, also of those that a run does not survive, and of what clients do."""

    #: a client sends its request again, with the same id
    repeat_submit: float = 0.0
    #: a reader loses its connection, and joins again behind its position
    drop_reader: float = 0.0
    #: the run is cancelled at some moment
    cancel: float = 0.0
    #: whoever handles the run's request dies of it
    poison: float = 0.0

    #: in the order in which they are drawn
    RANGES: ClassVar[Ranges] = {
        **{name: _RANGES[name] for name in ("crash_coordinator", "crash_worker", "pause_coordinator", "pause_worker")},
        **{name: _RANGES[name] for name in ("restart_broker", "lose_entry", "lose_task")},
        "hostile": (0.005, 0.1),
        "damage": (0.0005, 0.01),
        **{name: _RANGES[name] for name in ("forget_deliveries", "slow_wire", "lose_reply", "repeat_publish")},
        **{name: _RANGES[name] for name in ("split_publish", "lose_delivery", "repeat_task")},
        "late_event": (0.01, 0.3),
        "repeat_submit": (0.1, 0.9),
        "drop_reader": (0.01, 0.3),
        "stranger": (0.1, 0.5),
        "cancel": (0.02, 0.2),
        "poison": (0.02, 0.1),
    }
