"""Faults of what the broker holds: entries that get lost, bytes that somebody else writes, keys that somebody deletes.

A vandal knows no rule of the protocol. What he does may cost the run that he hits, told by name; never another one.
"""

from __future__ import annotations

from random import Random

from drumline.testing._sim.ground import Ground
from drumline_protocol import wire
from drumline_transport.memory_streams import Stream

JUNK = (
    b"",
    b"\xc1",
    b"junk",
    b"\x92\x01\x90",
    b"\x92\x01\x91\x22",
    b"\xdd\xff\xff\xff\xff" * 3,
    b"\x92\x01\x92\x22\x01",
)


class Vandals:
    """Whoever reaches into the keys of one cluster."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.rng: Random = ground.rng

    def strike(self) -> None:
        """Perhaps somebody does something before the next step."""
        rng, faults = self.rng, self.ground.faults
        if rng.random() < faults.lose_entry:
            self._lose_entry()
        if rng.random() < faults.lose_task:
            self._lose_task()
        if rng.random() < faults.hostile:
            self._write_junk()
        if rng.random() < faults.damage:
            self._damage_run()

    def _lose_entry(self) -> None:
        """A worker's entry vanishes, as when the tail of an AOF is cut."""
        ground = self.ground
        inboxes = [(index, part.inbox) for index, part in enumerate(ground.server.partitions) if len(part.inbox)]
        if inboxes:
            index, inbox = self.rng.choice(inboxes)
            at = self.rng.randrange(len(inbox))
            kind = type(_read(ground, inbox._rows[at][1])).__name__
            if kind == "WorkersChanged":  # a broker that lost it has restarted: then it is said again
                return
            if not ground.mercy.strikes_entries([inbox._rows[at][1]]):
                return
            inbox.delete(inbox._ids[at])
            ground.note("vandal", f"loses {kind} of inbox {index}", fault=True)

    def _lose_task(self) -> None:
        """A task entry is deleted, or all of them."""
        ground, rng = self.ground, self.rng
        pools = [(pool, tasks) for pool, tasks in ground.server.tasks.items() if len(tasks.stream)]
        if not pools:
            return
        pool, tasks = rng.choice(pools)
        if rng.random() < 0.2:
            if not ground.mercy.strikes_entries(tasks.stream._rows):
                return
            del ground.server.tasks[pool]
            ground.note("vandal", f"deletes the stream of pool {pool}", fault=True)
            return
        entry = rng.choice(tasks.stream._ids)
        if not ground.mercy.strikes_entries([tasks.stream.get(entry) or b""]):
            return
        tasks.stream.delete(entry)
        if rng.random() < 0.5:
            tasks.pending.pop(entry, None)
        ground.note("vandal", f"deletes a task of pool {pool}", fault=True)

    def _write_junk(self) -> None:
        """Bytes that nobody can read, under the name of a run that is there, or of none."""
        ground, rng = self.ground, self.rng
        server = ground.server
        index = rng.randrange(len(server.partitions))
        part = server.partitions[index]
        begun = [run.id for run in ground.runs if run.id in part.logs]
        run_id = rng.choice(["", f"nobody-{rng.getrandbits(32)}", *begun])
        data = self._junk()
        where = rng.choice(("requests", "inbox", "tasks", "ctl"))
        stream: Stream[tuple[str, bytes]] | Stream[bytes]
        if where == "tasks":
            stream = server.pool("default").stream
            stream.append(stream.next_id(server.now_ms), data)
        elif where == "ctl":
            server.ctl.append(server.ctl.next_id(server.now_ms), data)
        else:
            stream = part.requests if where == "requests" else part.inbox
            stream.append(stream.next_id(server.now_ms), (run_id, data))
        ground.note("vandal", f"writes junk into {where}", fault=True)

    def _junk(self) -> bytes:
        """Rubbish, or a genuine entry with something wrong about it."""
        rng = self.rng
        genuine = [row for part in self.ground.server.partitions for _, row in part.inbox._rows]
        if not genuine or rng.random() < 0.5:
            return rng.choice(JUNK)
        data = rng.choice(genuine)
        if rng.random() < 0.3:
            return data[:1] + bytes([wire.VERSION + 1]) + data[2:]
        return data[: rng.randrange(len(data) + 1)]

    def _damage_run(self) -> None:
        """A byte of an open run's log is flipped, or a key of it is deleted."""
        ground, rng = self.ground, self.rng
        open_runs = [run for run in ground.runs if run.id in ground.server.partitions[run.partition].open]
        if not open_runs:
            return
        run = rng.choice(open_runs)
        part = ground.server.partitions[run.partition]
        run.damaged = True
        ground.watch.damaged.add(run.id)
        what = rng.choice(("log", "record", "byte", "byte"))
        if what == "byte" and run.id in part.logs and len(part.logs[run.id]):
            rows = part.logs[run.id]._rows
            at = rng.randrange(len(rows))
            first, data = rows[at]
            flipped = rng.randrange(len(data))
            rows[at] = (first, data[:flipped] + bytes([data[flipped] ^ 1 << rng.randrange(8)]) + data[flipped + 1 :])
        elif what == "record":
            part.runs.pop(run.id, None)
        else:
            part.logs.pop(run.id, None)
        ground.note("vandal", f"damages the {what} of {run.id}", fault=True)


def _read(ground: Ground, data: bytes) -> object:
    try:
        return wire.decode(ground.apps.codec, data)
    except Exception:
        return data
