"""Named faults: each happens once, at the moment that it names. `Plans` waits for these moments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from drumline.testing._sim.ground import Ground
from drumline.testing._sim.network import Sent
from drumline.testing._sim.trouble import Trouble
from drumline.testing._sim.workers import SimWorker
from drumline.testing.faults import (
    CrashCoordinator,
    CrashWorker,
    LoseReply,
    LoseResultReply,
    NamedFault,
    PauseWorker,
    RestartBroker,
)
from drumline_graph.constants import START
from drumline_worker.outbox import Execution

#: a process that a named fault has killed is replaced after this long
REPLACED_MS = 500

Aimed = tuple[CrashWorker | PauseWorker, SimWorker, Execution]


class Plans:
    """The named faults of one cluster that have not happened yet, and how often each node was executed."""

    def __init__(self, ground: Ground, trouble: Trouble, faults: Sequence[NamedFault]) -> None:
        self.ground = ground
        self.trouble = trouble
        self.waiting: list[NamedFault] = list(faults)
        self.executed: Counter[str] = Counter()
        #: faults whose node is just being run, up to the moment at which they strike
        self._aimed: list[Aimed] = []
        self._unheard: list[tuple[LoseResultReply, Execution]] = []
        self._restart: RestartBroker | None = None

    def on_run(self, worker: SimWorker, execution: Execution) -> None:
        """A worker has executed a node; what it says has not got out yet."""
        if execution.node == START:
            return
        self.executed[execution.node] += 1
        nth = self.executed[execution.node]
        for fault in list(self.waiting):
            if isinstance(fault, (CrashWorker, PauseWorker)) and (fault.node, fault.nth) == (execution.node, nth):
                self.waiting.remove(fault)
                self._aimed.append((fault, worker, execution))
                worker.outbox.hold(execution, fault.after_events)
            elif isinstance(fault, LoseResultReply) and (fault.node, fault.nth) == (execution.node, nth):
                self.waiting.remove(fault)
                self._unheard.append((fault, execution))

    def look(self) -> None:
        """Behind each step: is the moment of a fault there?"""
        if self._restart is not None:
            fault, self._restart = self._restart, None
            self.trouble.restart()
            if fault.lost_tail:
                self.trouble.lose_tail()
        for aimed in list(self._aimed):
            self._look_at(aimed)

    def _look_at(self, aimed: Aimed) -> None:
        fault, worker, execution = aimed
        trouble = self.trouble
        if worker not in self.ground.workers or execution.cancelled:
            # something else has struck it first: this fault is for the next execution
            self._aimed.remove(aimed)
            self.waiting.append(replace(fault, nth=self.executed[fault.node] + 1))
        elif worker.outbox.is_at_hold(execution) and not execution.queued and worker.sending is None:
            self._aimed.remove(aimed)
            if isinstance(fault, CrashWorker):
                trouble.crash_worker(worker, self._replaced)
            else:
                worker.outbox.release_hold(execution)
                trouble.pause(worker, int(fault.seconds * 1000))

    def _replaced(self) -> int:
        return self.ground.server.now_ms + REPLACED_MS

    def crash_at(self, sent: Sent) -> Literal["no", "before", "behind"]:
        """Whether the coordinator that is about to send a commit dies, and on which side of it."""
        for fault in self.waiting:
            if isinstance(fault, CrashCoordinator) and fault.commit == sent.ordinal:
                self.waiting.remove(fault)
                return "behind" if fault.arrives else "before"
        return "no"

    def loses_reply(self, sent: Sent) -> bool:
        """A commit has arrived: whether its reply gets lost."""
        for fault in list(self.waiting):
            if isinstance(fault, RestartBroker) and fault.commit == sent.ordinal:
                self.waiting.remove(fault)
                self._restart = fault
        for fault in self.waiting:
            if isinstance(fault, LoseReply) and fault.commit == sent.ordinal:
                self.waiting.remove(fault)
                return True
        return False

    def loses_result(self, execution: Execution) -> bool:
        """A node's result is about to be published: whether the reply gets lost."""
        found = [pair for pair in self._unheard if pair[1] is execution]
        for pair in found:
            self._unheard.remove(pair)
        return bool(found)

    @property
    def missed(self) -> list[NamedFault]:
        """The faults that did not happen."""
        return [*self.waiting, *(fault for fault, _, _ in self._aimed), *(fault for fault, _ in self._unheard)]
