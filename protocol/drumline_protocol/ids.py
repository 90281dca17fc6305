"""Names that follow from what they name: the same task has the same id in every process and after
every restart.

Pure: no clock and no randomness. Ids that must be new each time come from `new_ids`.
"""

from __future__ import annotations

from hashlib import blake2b
from zlib import crc32


def task_id(base: str, ns: tuple[str, ...], step: int, path_key: str, attempt: int | None = None) -> str:
    """The id of a task: 36 characters in the form of a UUID, a hash of the arguments.

    `base` is the id of the committed state that the superstep starts from (the run id for a run
    without thread), `ns` the namespace of the graph, `path_key` the task's place in the plan
    (`Planned.path_key`). `attempt` is given for the tasks of a child graph: the attempt of the
    parent task that it runs for.
    """
    text = "\0".join((base, str(step), str(attempt), path_key, *ns))
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def token_digest(token: str) -> str:
    """What is kept of an attempt's token: enough to know it again, not to show it."""
    return blake2b(token.encode("utf-8", "surrogatepass"), digest_size=9).hexdigest()


def partition_of(thread_or_run_id: str, partitions: int) -> int:
    """The partition, from 0 to `partitions` - 1, of a thread (or of a run without thread).

    Every process of a cluster computes it for itself, so it never changes: CRC-32 of the UTF-8
    text, modulo `partitions`. ValueError if `partitions` is less than 1.
    """
    if partitions < 1:
        raise ValueError(f"A cluster has at least 1 partition, not {partitions}.")
    return crc32(thread_or_run_id.encode("utf-8", "surrogatepass")) % partitions
