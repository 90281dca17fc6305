"""Ids that follow from what they name, and what a run id says of where its run lives. Pure: no clock, no randomness;
ids that must be new each time come from `new_ids`.

A run id that drumline makes is a UUID of version 8, as text:

| bits | content |
|---|---|
| 48 | Unix time in milliseconds, so that ids sort by the time at which they were drawn |
| 4 | the version, 8 |
| 12 | fraction of the millisecond, in steps of 1/4096 |
| 2 | the variant, 0b10 |
| 32 | the home: modulo the number of partitions it is the partition |
| 8 | check: a digest of all other bits. It tells ids of ours from other UUIDs of version 8 |
| 22 | random |

The home of a thread's runs is that of the thread (`home_of`), so all of them lie in one partition. A home is a whole
hash and no number of a partition: so an id is drawn before anybody has asked the cluster how many partitions it has.
`docs/decisions/0029-partitions-in-run-ids.md` tells why.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from zlib import crc32


def task_id(base: str, ns: tuple[str, ...], step: int, path_key: str, attempt: int | None = None) -> str:
    """The id of a task: 36 characters in the form of a UUID, a hash of the arguments.

    `base` is the id of the committed state that the superstep starts from (the run id for a run without thread), `ns`
    the namespace of the graph, `path_key` the task's place in the plan (`Planned.path_key`). `attempt` is given for the
    tasks of a child graph: the attempt of the parent task that it runs for.
    """
    text = f"{base}\0{step}\0{attempt}\0{path_key}"
    if ns:
        text = "\0".join((text, *ns))
    return _dashed(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest())


def token_digest(token: str) -> str:
    """What is kept of an attempt's token: enough to know it again, not to show it."""
    return blake2b(token.encode("utf-8", "surrogatepass"), digest_size=9).hexdigest()


# -- where a thread or a run lives --------------------------------------------------------------------


def home_of(thread_id: str) -> int:
    """The home of a thread: CRC-32 of the UTF-8 text. Every process computes it for itself, so it never changes."""
    return crc32(thread_id.encode("utf-8", "surrogatepass"))


def partition_of(thread_id: str, partitions: int) -> int:
    """The partition, from 0 to `partitions` - 1, of a thread. ValueError if `partitions` is less than 1."""
    return _among(home_of(thread_id), partitions)


def partition_of_run(run_id: str, partitions: int) -> int:
    """The partition of a run: the one that an id of drumline's own carries, else as of a thread of that name.

    So a run is found by its id alone, also one that a caller named. Any text has a partition, the same in every
    process. ValueError if `partitions` is less than 1.
    """
    home = home_in(run_id)
    return _among(home_of(run_id) if home is None else home, partitions)


def _among(home: int, partitions: int) -> int:
    if partitions < 1:
        raise ValueError(f"A cluster has at least 1 partition, not {partitions}.")
    return home % partitions


# -- run ids ------------------------------------------------------------------------------------------


def make_run_id(home: int, time_ns: int, random: bytes) -> str:
    """A run id for a run at `home` (the low 32 bits count), drawn at `time_ns` with at least 3 `random` bytes."""
    ms, rest_ns = divmod(time_ns, 1_000_000)
    return _run_id(ms, rest_ns * 4096 // 1_000_000, home, int.from_bytes(random[:3], "big"))


def derive_run_id(parent: str, what: str, home: int | None = None) -> str:
    """The id of a run that follows from another one: the same for the same `parent` and `what`.

    It sorts beside `parent` if that is an id of drumline's own. Without a `home` it is at one that follows from `what`.
    """
    digest = blake2b(f"{parent}\0{what}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
    bits = int.from_bytes(digest, "big")
    ms = int(parent[:8] + parent[9:13], 16) if home_in(parent) is not None else bits >> 80
    return _run_id(ms, bits >> 66, bits >> 34 if home is None else home, bits)


def home_in(run_id: str) -> int | None:
    """The home that a run id of drumline's own carries; None for any other text."""
    if len(run_id) != 36 or run_id[14] != "8" or not _CANONICAL.fullmatch(run_id):
        return None
    bits = int(run_id.replace("-", ""), 16)
    return bits >> 30 & 0xFFFF_FFFF if bits >> 22 & 0xFF == _check(bits) else None


#: the text of a UUID of version 8 as we write it
_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def _run_id(ms: int, fraction: int, home: int, random: int) -> str:
    bits = (ms & (1 << 48) - 1) << 80 | 0x8 << 76 | (fraction & 0xFFF) << 64 | 0b10 << 62
    bits |= (home & 0xFFFF_FFFF) << 30 | random & 0x3F_FFFF
    return _dashed(f"{bits | _check(bits) << 22:032x}")


def _check(bits: int) -> int:
    """The check of an id, whatever stands in its place: CRC-32 of the other bits, its highest 8."""
    return crc32((bits & ~(0xFF << 22)).to_bytes(16, "big"), 0xD2E4_117E) >> 24


def _dashed(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
