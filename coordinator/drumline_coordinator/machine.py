"""What the parts of the run machine share: the state, and the one way to change it. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from drumline_coordinator.effects import Effects
from drumline_coordinator.fold import FOLDS
from drumline_coordinator.late import LateEvents
from drumline_coordinator.state import RunState
from drumline_coordinator.tasks import Scope, Task
from drumline_coordinator.thread_run import GoingOn, ThreadRun
from drumline_graph.program import Program
from drumline_protocol.checkpoints import Save
from drumline_protocol.codec import Codec
from drumline_protocol.messages import RunShared


class Control(Protocol):
    """A `RunControl`, as the machine sees it."""

    @property
    def drain_reason(self) -> str | None: ...


class Machine:
    """One run: its state, what its tasks share, and the effects of the event that is handled just now.

    Handlers read the state and decide; `emit` is all that changes it.
    """

    __slots__ = (
        "codec",
        "control",
        "due",
        "fx",
        "going_on",
        "id",
        "late",
        "may_pause",
        "now_ms",
        "program",
        "shared",
        "state",
        "stopping",
        "thread",
        "wire",
    )

    def __init__(
        self,
        program: Program,
        shared: RunShared,
        *,
        ns: tuple[str, ...] = (),
        wire: bool = False,
        codec: Codec | None = None,
        thread: ThreadRun | None = None,
    ) -> None:
        self.program = program
        self.shared = shared
        self.id = shared.run_id
        self.wire = wire
        #: writes cells for the cell store; None: there is none
        self.codec = codec
        #: the thread that the run is on, if it is on one
        self.thread = thread
        #: it is to stop when the superstep of its root graph is over
        self.stopping = False
        #: something may stop it between two supersteps, beside breakpoints of its graphs and `RunState.drain`
        self.may_pause = bool(shared.stops_before or shared.stops_after)
        self.state = RunState(program, root_ns=ns, wire=wire, config=shared.config)
        #: in the process of its caller: says whether the run is to stop at the end of its open superstep, and why
        self.control: Control | None = None
        self.late = LateEvents()
        #: graphs whose superstep is over, with the tasks whose writes it commits
        self.due: deque[tuple[Scope, Sequence[Task]]] = deque()
        #: graphs that stand at a checkpoint, and are to go on from there
        self.going_on: deque[GoingOn] = deque()
        self.fx = Effects()
        self.now_ms = 0.0

    def emit(self, fact: Any) -> None:
        """The next fact of the log: what it means is so from now on."""
        fold = FOLDS.get(type(fact))  # as `fold` does: each fact of each step comes by here
        if fold is not None:
            fold(self.state, fact)
        self.fx.facts.append(fact)

    def save(self, *saves: Save) -> None:
        """What the thread of the run keeps from now on."""
        self.fx.saves = [*self.fx.saves, *saves]

    def note_end(self, scope: Scope) -> None:
        """A task of `scope` has ended: if it was the last one, the superstep is due."""
        if not scope.open_tasks:
            self.due.append((scope, list(scope.tasks.values())))
