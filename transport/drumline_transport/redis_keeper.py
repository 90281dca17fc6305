"""The keeper's verbs on Redis. Promises: `KeeperVerbs`.

They go over the keeper's own line, many commands in one write; an error reply is judged for itself, so that a key of
another type costs what it stands for and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from drumline_protocol.limits import DEAD_ENTRIES_MAX, LEASE_MS_MAX
from drumline_transport.broker import SWEEP_START, Lease, StaleTask
from drumline_transport.connection import PASSING, UNWELCOME, Argument, Connection, Lost, Reply, pack
from drumline_transport.dead import DeadEntry
from drumline_transport.errors import ServerError
from drumline_transport.keeper_verbs import KeeperVerbs, LeaseState, Missing, PoolSweep, RunLook, Survey
from drumline_transport.line import load_script
from drumline_transport.redis_coordinator import RedisCoordinator, make_group, number_in
from drumline_transport.redis_core import GROUP, KEEPER_TIMEOUT_S, _milliseconds, _pairs, members_in
from drumline_transport.rows import data_of, dead_words
from drumline_transport.scripts import ACQUIRE, ALL, BEAT, MISSING, QUIT, RENEW_LEASE, Script

#: How often a script that the server forgot is loaded again within one call.
_LOADS_MAX = 3
#: Entry ids that one call of the missing script looks at: so long it holds the server.
_MISSING_PAGE = 200
#: Asks which of the scripts the server knows: a part of each survey.
WHICH_SCRIPTS = pack("SCRIPT", "EXISTS", *(script.sha for script in ALL))


class RedisKeeper(RedisCoordinator):
    """`KeeperVerbs` on Redis."""

    # -- members and leases ----------------------------------------------------------------------

    def survey(self, name: str, info: bytes, nonce: str, held: list[int], ttl_ms: int) -> Survey:
        keys = self._keys
        mine = set(held)
        others = [p for p in range(self.partitions) if p not in mine]
        member_keys = [keys.coordinators(), keys.workers()]
        used = [*map(keys.lease, held), keys.coordinators(), *map(keys.lease, others), *member_keys]
        commands = [
            *(RENEW_LEASE.pack([keys.lease(p)], [nonce, ttl_ms]) for p in held),
            BEAT.pack([keys.coordinators()], [name, info]),
            *(pack("HMGET", keys.lease(p), "owner", "until") for p in others),
            *(pack("HGETALL", key) for key in member_keys),
            pack("TIME"),
            WHICH_SCRIPTS,
        ]
        *replies, time, known = self._ask([RENEW_LEASE, BEAT], commands, spared=1)
        self._install(known)
        unusable = {key: r.text for key, r in zip(used, replies, strict=True) if isinstance(r, ServerError)}
        now = _milliseconds(time)
        kept = {p for p, reply in zip(held, replies, strict=False) if reply == 1}
        looks = replies[len(held) + 1 :]
        leases: dict[int, LeaseState] = {}
        for p, reply in zip(others, looks, strict=False):
            if not isinstance(reply, ServerError) and any(reply):
                leases[p] = lease_state(reply[0], reply[1], now)
        members = [{} if isinstance(rows, ServerError) else members_in(rows, now) for rows in looks[-2:]]
        self._forget(list(zip(member_keys, looks[-2:], members, strict=True)))
        unserved = {p for p in range(self.partitions) if keys.lease(p) in unusable}
        return Survey(now, kept, leases, unserved, members[0], members[1], unusable)

    def _install(self, known: Reply) -> None:
        """Load the scripts that the server does not know, because other roles call them and may not load them.

        A user that may not ask or load leaves that to others.
        """
        if isinstance(known, list):
            missing = [script for script, there in zip(ALL, known, strict=True) if not there]
            self._ask([], [pack("SCRIPT", "LOAD", script.text) for script in missing], spared=len(missing))

    def _forget(self, hashes: list[tuple[str, Reply, dict[str, tuple[bytes, int]]]]) -> None:
        """Delete members that were silent for so long that nobody counts them, and entries that are no beats."""
        commands = []
        for key, rows, members in hashes:
            silent = [] if isinstance(rows, ServerError) else [n for n in rows[::2] if member_name(n) not in members]
            if silent:
                commands.append(pack("HDEL", key, *silent))
        self._ask([], commands)

    def acquire_all(self, partitions: list[int], nonce: str, ttl_ms: int) -> list[Lease]:
        if not partitions:
            return []
        arguments: list[Argument] = [nonce, ttl_ms, LEASE_MS_MAX]
        replies = self._ask([ACQUIRE], [ACQUIRE.pack([self._keys.lease(p)], arguments) for p in partitions])
        answers = zip(partitions, replies, strict=True)
        leases = (self._leased(p, nonce, reply) for p, reply in answers if not isinstance(reply, ServerError))
        return [lease for lease in leases if lease is not None]

    # -- the sweep -------------------------------------------------------------------------------

    def sweep_pools(self, cursors: dict[str, str], idle_ms: int, count: int) -> dict[str, PoolSweep]:
        streams = {pool: self._keys.tasks(pool) for pool in cursors}
        commands = [
            pack("XPENDING", streams[pool], GROUP, "IDLE", idle_ms, cursor, "+", count)
            for pool, cursor in cursors.items()
        ]
        found: dict[str, PoolSweep] = {}
        stale: list[tuple[str, list[Reply]]] = []
        for pool, rows in zip(cursors, self._ask([], commands), strict=True):
            found[pool] = PoolSweep([], SWEEP_START)
            if isinstance(rows, ServerError):
                if rows.code == "NOGROUP":
                    found[pool].error = self._make_group(streams[pool])
                else:
                    found[pool].error = rows.text
            elif rows:
                stale += [(pool, row) for row in rows]
                if len(rows) >= count:
                    found[pool].cursor = f"({rows[-1][0].decode()}"
        entries = self._ask([], [pack("XRANGE", streams[pool], row[0], row[0]) for pool, row in stale])
        for (pool, row), entry in zip(stale, entries, strict=True):
            if isinstance(entry, ServerError):
                found[pool].error = entry.text
                continue
            data = data_of(entry[0][1]) if entry else None
            consumer = row[1].decode("utf-8", "replace")
            found[pool].stale.append(StaleTask(row[0].decode(), consumer, int(row[2]), data))
        return found

    def _make_group(self, key: str) -> str:
        """The text of the refusal, if the group cannot be made."""
        try:
            make_group(self._keeper, key)
        except ServerError as error:
            return error.text
        return ""

    def look_at_runs(self, runs: list[tuple[int, str]]) -> list[RunLook]:
        keys = self._keys
        commands = []
        for p, run_id in runs:
            commands += [
                pack("HGETALL", keys.run(p, run_id)),
                pack("TYPE", keys.log(p, run_id)),
                pack("SISMEMBER", keys.open(p), run_id),
                pack("SISMEMBER", keys.waiting(p), run_id),
            ]
        replies = self._ask([], commands)
        return [_look(*replies[i : i + 4]) for i in range(0, len(replies), 4)]

    def missing_tasks(self, entries: list[tuple[str, str]]) -> tuple[dict[tuple[str, str], Missing], dict[str, str]]:
        by_pool: dict[str, list[str]] = {}
        for pool, entry_id in entries:
            by_pool.setdefault(pool, []).append(entry_id)
        pages = [
            (pool, ids[i : i + _MISSING_PAGE])
            for pool, ids in by_pool.items()
            for i in range(0, len(ids), _MISSING_PAGE)
        ]
        replies = self._ask([MISSING], [MISSING.pack([self._keys.tasks(pool)], ids) for pool, ids in pages])
        missing: dict[tuple[str, str], Missing] = {}
        unusable: dict[str, str] = {}
        for (pool, _), reply in zip(pages, replies, strict=True):
            if isinstance(reply, ServerError):
                unusable[pool] = reply.text
                continue
            for entry_id, why in reply:
                missing[pool, entry_id.decode()] = "gone" if why == b"gone" else "stranded"
        return missing, unusable

    def set_aside(self, p: int, entry: DeadEntry) -> None:
        self._keeper.call("XADD", self._keys.dead(p), "MAXLEN", "~", DEAD_ENTRIES_MAX, "*", *dead_words(entry))

    def forget_consumers(self, pools: list[str], idle_ms: int, present: set[str]) -> list[tuple[str, str]]:
        replies = self._ask([], [pack("XINFO", "CONSUMERS", self._keys.tasks(pool), GROUP) for pool in pools])
        going: list[tuple[str, bytes]] = []
        for pool, reply in zip(pools, replies, strict=True):
            for row in () if isinstance(reply, ServerError) else reply:
                consumer = dict(zip(row[::2], row[1::2], strict=False))
                name = consumer[b"name"]
                silent = int(consumer[b"pending"]) == 0 and int(consumer[b"idle"]) >= idle_ms
                if silent and member_name(name) not in present:
                    going.append((pool, name))
        gone = self._ask([QUIT], [QUIT.pack([self._keys.tasks(pool)], [name]) for pool, name in going])
        return [
            (pool, name.decode("utf-8", "replace")) for (pool, name), done in zip(going, gone, strict=True) if done == 1
        ]

    # -- one write, each reply for itself --------------------------------------------------------

    def _ask(self, scripts: Sequence[Script], commands: Sequence[bytes], *, spared: int = 0) -> list[Reply]:
        """The replies of packed commands that were sent in one write; refusals of single keys are among them.

        A refusal that concerns the server as a whole is raised, unless it came to one of the last `spared` commands,
        which are of use but not needed. When a script is missing, all are sent again.
        """
        if not commands:
            return []

        def use(connection: Connection) -> list[Reply]:
            for _ in range(_LOADS_MAX):
                replies = connection.calls(commands)
                judged = replies[: len(replies) - spared]
                errors = [reply for reply in judged if isinstance(reply, ServerError)]
                for error in errors:
                    if error.code in PASSING or error.code in UNWELCOME:
                        raise error
                if not any(error.code == "NOSCRIPT" for error in errors):
                    return replies
                for script in scripts:
                    load_script(connection, script, KEEPER_TIMEOUT_S)
            raise Lost("the server forgets scripts as soon as they are loaded")

        return self._keeper.run(use)


def _conforms(broker: RedisKeeper) -> KeeperVerbs:
    return broker  # checked by mypy


def lease_state(owner: bytes | None, until: bytes | None, now_ms: int) -> LeaseState:
    """A lease as anybody may have stored it. One that runs for longer than any lease is damaged, and has run out."""
    left = number_in((until or b"").decode("utf-8", "replace")) - now_ms
    return LeaseState((owner or b"").decode("utf-8", "replace"), left if left <= LEASE_MS_MAX else 0)


def member_name(raw: bytes) -> str:
    """As `members` names it."""
    return raw.decode("utf-8", "surrogateescape")


def _look(record: Reply, log_type: Reply, is_open: Reply, waits: Reply) -> RunLook:
    if isinstance(record, ServerError):
        return RunLook({}, is_open == 1, f"its record is something else: {record.text}")
    found = _pairs(record)
    kind = log_type if isinstance(log_type, bytes) else b"?"
    if not found:
        damage = "its record is gone"
    elif "status" not in found or (found["status"] == b"open" and "shared" not in found):
        damage = "a part of its record is gone"
    elif kind != b"stream":
        damage = "its log is gone" if kind == b"none" else f"its log is a {kind.decode()}"
    else:
        damage = ""
    return RunLook(found, is_open == 1, damage, waits == 1)
