"""The sweep: it finds tasks that nobody holds any more, tasks that nobody will ever get, and runs whose record is gone.

It has steps in the keeper's turn. Each looks at a bounded slice, and none waits.

`stale` looks at entries that their worker has not renewed. It claims nothing: it reports, and the machine decides.

`lost` compares run records with the task streams. A record names the entry of each attempt that was sent, and an entry
leaves its stream in three ways. This is why the report of a missing entry can do no harm:

* The worker answered. The script that stored the answer in the inbox then deleted the entry. The sweep saw it missing
  after that, so its `AttemptLost` stands behind the answer. The machine handles the answer first, and drops a report of
  an attempt that is over.
* The machine withdrew it. The commit that deleted the entry also took the attempt out of the record, and the machine
  has given that attempt up.
* Somebody else deleted it. Then the report is what was missing.

The record must be read before the stream: else it may name an attempt that is older than what we see of the stream. To
be sparing with reports, the sweep reports a task when two turns one after the other see it missing.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from drumline_coordinator.apps import Apps
from drumline_coordinator.balance import TURNS_PER_LEASE
from drumline_coordinator.recovery import attempt_key
from drumline_coordinator.troubles import Troubles
from drumline_graph.errors import DrumlineError
from drumline_protocol import wire
from drumline_protocol.codec import unbox
from drumline_protocol.errors import NoBroker
from drumline_protocol.limits import CONSUMER_FORGET_MS, LOST_SWEEP_RUNS_MAX, PRESENCE_TTL_MS
from drumline_protocol.messages import AttemptLost, RunDamaged, TaskMessage
from drumline_transport.broker import SWEEP_START, StaleTask
from drumline_transport.dead import DeadEntry
from drumline_transport.errors import ServerError
from drumline_transport.keeper_verbs import KeeperVerbs

if TYPE_CHECKING:
    from drumline_coordinator.service import CoordinatorSettings

log = logging.getLogger("drumline.coordinator")

#: How many pending entries of one pool one turn looks at.
STALE_COUNT = 200
#: After so many turns the sweep reports again what it has reported and still sees.
REPORT_AGAIN_TURNS = 32
#: Turns between two looks for consumers to forget.
CONSUMERS_EVERY_TURNS = 200

#: The id of no task: a report of it wakes its run and does nothing else.
NO_TASK = "none"

#: An open run: its partition and id.
_OpenRun = tuple[int, str]

MISSING_TEXTS = {
    "gone": "its entry {entry} is not in pool {pool}: somebody deleted it, unless its answer waits unread",
    "stranded": "its entry {entry} of pool {pool} was delivered, and nobody holds it",
}


class _Stale(NamedTuple):
    """A task entry that nobody renews, and what it says."""

    pool: str
    entry: StaleTask
    message: TaskMessage
    run: _OpenRun


class Sweep:
    """What a keeper looks at beside leases. One coordinator does `stale` and `consumers` for all; each does `lost`."""

    def __init__(self, broker: KeeperVerbs, apps: Apps, settings: CoordinatorSettings, troubles: Troubles) -> None:
        self._broker = broker
        self._codec = apps.codec
        self._pools = apps.pools()
        self._task_lease_ms = settings.task_lease_ms
        self._troubles = troubles
        self._turn = 0
        self._cursors = dict.fromkeys(self._pools, SWEEP_START)
        self._reports = _Reports()
        self._round_turns = max(1, settings.lost_sweep_ms * TURNS_PER_LEASE // settings.lease_ms)
        self._round_ends = 0
        #: open runs that this round has not looked at; how many a turn looks at; partitions known to be ours
        self._queue: deque[_OpenRun] = deque()
        self._slice = 1
        self._known: frozenset[int] = frozenset()
        #: runs that a turn saw damaged or without a task's entry: the next turn looks again
        self._suspects: dict[_OpenRun, set[str]] = {}
        self._consumers_turn = 0

    # -- what nobody renews -------------------------------------------------------------------------

    def stale(self, home: int) -> None:
        """Report tasks whose worker has not renewed them. What cannot be read is set aside, in partition `home`."""
        self._reports.turn += 1
        readable: list[_Stale] = []
        for pool, found in self._broker.sweep_pools(self._cursors, self._task_lease_ms, STALE_COUNT).items():
            self._cursors[pool] = found.cursor
            if found.error:
                self._troubles.tell(f"pool {pool}", f"the tasks of pool {pool} cannot be looked at: {found.error}")
            for task in found.stale:
                self._guard(f"entry {task.id} of pool {pool}", self._sort, home, pool, task, readable)
        # Records are read after the entries: an entry comes with its name in there.
        runs = list({stale.run for stale in readable})
        looks = dict(zip(runs, self._broker.look_at_runs(runs), strict=True))
        for stale in readable:
            self._guard(f"run {stale.run[1]}", self._report, stale, looks[stale.run].record)

    def _sort(self, home: int, pool: str, stale: StaleTask, readable: list[_Stale]) -> None:
        if stale.data is None:
            # Somebody deleted the entry, and only the note of its delivery remains. `lost` finds whose it was.
            self._broker.drop_tasks(pool, [stale.id])
            return
        try:
            message, run = self._read(stale.data)
        except Exception as error:  # bytes from outside may break a decoder in ways of their own
            reason = str(error) if isinstance(error, DrumlineError) else repr(error)
            self._broker.set_aside(home, DeadEntry(f"tasks:{pool}", stale.id, "", reason, stale.data))
            log.error("entry %s of pool %s cannot be read and was set aside: %s", stale.id, pool, reason)
            self._broker.drop_tasks(pool, [stale.id])
            return
        readable.append(_Stale(pool, stale, message, run))

    def _read(self, data: bytes) -> tuple[TaskMessage, _OpenRun]:
        message = wire.decode(self._codec, data)
        if not isinstance(message, TaskMessage):
            raise DrumlineError("it is no task")
        shared = wire.from_row(unbox(message.shared))
        run_id, partition = shared.run_id, shared.partition
        run_id.encode()  # a lone surrogate raises: no key has such a name
        if not 0 <= partition < self._broker.partitions:
            raise DrumlineError(f"there is no partition {partition}")
        return message, (partition, run_id)

    def _report(self, task: _Stale, record: dict[str, bytes]) -> None:
        """Report a stale entry that its run's record names, and delete one that it does not name.

        Such an entry remains from a worker that died between its answer and its acknowledgement, or from an earlier
        dispatch.
        """
        pool, stale, message, run = task
        key = attempt_key(message.task, message.attempt)
        if record.get(f"t:{key}") != f"{pool} {stale.id}".encode():
            self._broker.drop_tasks(pool, [stale.id])
            return
        if not self._reports.is_new(f"{pool} {stale.id}"):
            return
        reason = f"worker {stale.consumer} has not renewed it for {stale.idle_ms} ms"
        fields = {"run_id": run[1], "node": message.node, "task_id": message.task, "attempt": message.attempt}
        fields |= {"worker": stale.consumer, "pool": pool}
        log.warning("task %s of node %s is lost: %s", message.task, message.node, reason, extra=fields)
        self._tell(run, AttemptLost(run[1], message.task, message.attempt, reason, _proof(record, key), died=True))

    # -- what nobody will get -----------------------------------------------------------------------

    def lost(self, held: Sequence[int]) -> None:
        """Look at a slice of the open runs of these partitions: at each about once in `lost_sweep_ms`."""
        self._turn += 1
        mine = frozenset(held)
        if not mine <= self._known:
            for index in sorted(mine - self._known):  # the former owner may have died of what is wrong
                self._queue.extendleft((index, run_id) for run_id in self._open_runs(index))
            self._slice = LOST_SWEEP_RUNS_MAX
        self._known = mine
        if not self._queue and self._turn >= self._round_ends:
            self._round_ends = self._turn + self._round_turns
            self._queue.extend((index, run_id) for index in held for run_id in self._open_runs(index))
            self._slice = min(LOST_SWEEP_RUNS_MAX, -(-len(self._queue) // self._round_turns))
        suspects, self._suspects = self._suspects, {}
        runs = [run for run in suspects if run[0] in mine]
        while self._queue and len(runs) < self._slice + len(suspects):
            run = self._queue.popleft()
            if run[0] in mine and run not in suspects:
                runs.append(run)
        if runs:
            self._compare(runs, suspects)

    def _open_runs(self, index: int) -> list[str]:
        try:
            return self._broker.open_runs(index)
        except ServerError as error:
            self._troubles.tell(f"open {index}", f"the open runs of partition {index} cannot be looked at: {error}")
            return []

    def _compare(self, runs: Sequence[_OpenRun], suspects: dict[_OpenRun, set[str]]) -> None:
        named: list[tuple[_OpenRun, str, str, tuple[str, str]]] = []
        for run, look in zip(runs, self._broker.look_at_runs(list(runs)), strict=True):
            if not look.is_open:
                continue
            if not look.damage:
                attempts = _attempts(look.record)
                named += [(run, key, _proof(look.record, key), entry) for key, entry in attempts]
                if not attempts and not look.waits and self._seen_twice(run, "idle", suspects):
                    self._guard(f"run {run[1]}", self._wake, run)
            elif self._seen_twice(run, look.damage, suspects):
                self._guard(f"run {run[1]}", self._damaged, run, look.damage)
        missing, unusable = self._broker.missing_tasks(list({entry for *_, entry in named}))
        for pool, text in unusable.items():
            self._troubles.tell(f"pool {pool}", f"the tasks of pool {pool} cannot be looked at: {text}")
        for run, key, proof, (pool, entry) in named:
            why = missing.get((pool, entry))
            if why is not None and self._seen_twice(run, f"{key} {entry}", suspects):
                reason = MISSING_TEXTS[why].format(pool=pool, entry=entry)
                self._guard(f"run {run[1]}", self._report_lost, run, key, reason, proof)

    def _seen_twice(self, run: _OpenRun, what: str, suspects: dict[_OpenRun, set[str]]) -> bool:
        """Whether the last turn saw it too. What is seen for the first time is noted for the next one."""
        if what in suspects.get(run, ()):
            return True
        self._suspects.setdefault(run, set()).add(what)
        return False

    def _damaged(self, run: _OpenRun, damage: str) -> None:
        fields = {"run_id": run[1], "partition": run[0]}
        log.warning("run %s of partition %d cannot go on: %s", run[1], run[0], damage, extra=fields)
        self._tell(run, RunDamaged(run[1], damage))

    def _wake(self, run: _OpenRun) -> None:
        """Make the owner of a run load it, by a report of no task, when nobody has a task of the run.

        The former owner may have died between two commits: one that gave an attempt up, and one that was to send the
        next. Nobody else would ever speak of that run.
        """
        self._tell(run, AttemptLost(run[1], NO_TASK, 1, "no task of the run is in a stream"))

    def _report_lost(self, run: _OpenRun, key: str, reason: str, proof: str) -> None:
        task, _, attempt = key.rpartition(":")
        fields = {"run_id": run[1], "task_id": task, "attempt": int(attempt)}
        log.warning("task %s of run %s is lost: %s", task, run[1], reason, extra=fields)
        self._tell(run, AttemptLost(run[1], task, int(attempt), reason, proof))

    # -- consumers ----------------------------------------------------------------------------------

    def consumers(self, workers: dict[str, tuple[bytes, int]]) -> None:
        """Now and then forget the consumers of workers that are gone, which a group keeps for ever otherwise."""
        self._consumers_turn += 1
        if self._consumers_turn % CONSUMERS_EVERY_TURNS != 1:
            return
        present = {name for name, (_, age) in workers.items() if age <= PRESENCE_TTL_MS}
        for pool, name in self._broker.forget_consumers(self._pools, CONSUMER_FORGET_MS, present):
            log.info("consumer %s of pool %s is forgotten: its worker is gone, and it holds nothing", name, pool)

    # -- both ---------------------------------------------------------------------------------------

    def _tell(self, run: _OpenRun, message: AttemptLost | RunDamaged) -> None:
        self._broker.push_inbox(run[0], run[1], wire.encode(self._codec, message))

    def _guard(self, what: str, step: Callable[..., None], *args: object) -> None:
        """Do a step for one entry or run. When it fails, say so and go on to the others."""
        try:
            step(*args)
        except NoBroker:
            raise
        except Exception as error:
            unexpected = None if isinstance(error, DrumlineError) else error
            self._troubles.tell(f"sweep of {what}", f"{what} cannot be swept: {error!r}", error=unexpected)


class _Reports:
    """What was reported lately. Until the machine has handled a report, each turn sees the same again."""

    def __init__(self) -> None:
        self.turn = 0
        self._told: dict[str, int] = {}

    def is_new(self, what: str) -> bool:
        """Whether it is time to report this, perhaps again; if so, it counts as reported."""
        told = self._told.get(what)
        if told is not None and self.turn - told < REPORT_AGAIN_TURNS:
            return False
        self._told.pop(what, None)
        self._told[what] = self.turn
        for known in list(self._told):  # in the order of their turns
            if self.turn - self._told[known] < REPORT_AGAIN_TURNS:
                break
            del self._told[known]
        return True


def _proof(record: dict[str, bytes], key: str) -> str:
    """What shows that a report of this attempt comes from somebody who may read run records."""
    return record.get(f"k:{key}", b"").decode("ascii", "replace")


def _attempts(record: dict[str, bytes]) -> Collection[tuple[str, tuple[str, str]]]:
    """The attempts that a record names, with the pool and id of their entries. Rubbish is left out."""
    found = []
    for name, where in record.items():
        if not name.startswith("t:"):
            continue
        pool, _, entry = where.decode("utf-8", "replace").rpartition(" ")
        task, _, attempt = name[2:].rpartition(":")
        ms, _, seq = entry.rpartition("/")[2].partition("-")  # on a Redis Cluster its partition stands in front
        if pool and task and attempt.isdecimal() and ms.isdecimal() and seq.isdecimal():
            found.append((name[2:], (pool, entry)))
    return found
