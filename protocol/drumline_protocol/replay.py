"""An old checkpoint of a thread is run again: what graphs below it find. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Replay:
    """An old checkpoint is run again: each graph below finds the newest of its own that is older than `bound`, once."""

    bound: str
    visited: set[str] = field(default_factory=set)
    #: the first task of each node that was sent to a worker
    tasks: dict[str, str] = field(default_factory=dict)

    def is_first(self, ns: str) -> bool:
        """Whether the graph at `ns` looks for its checkpoint for the first time; whatever task it is in."""
        place = ns.rpartition(":")[0] or ns
        if place in self.visited:
            return False
        self.visited.add(place)
        return True

    def bound_for(self, ns: str) -> str:
        """`bound` for the task at `ns` if the graphs that its code calls look for theirs for the first time; "" else.

        A task that is tried again is told the same.
        """
        place = ns.rpartition(":")[0] or ns
        return self.bound if self.tasks.setdefault(place, ns) == ns else ""
