"""Logs and tasks in a commit: the words of its script for them. Pure.

Nothing is sent that the server has. What a worker has told lies in the inbox until the commit that answers it, so a log
entry is put together of that. What lies in such an entry need not be sent again for the task that gets it. What all
tasks of a run have in common stands in its record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from drumline_protocol.keys import Keys
from drumline_transport.entries import Commit, Heard, LogAppend, TaskAppend

if TYPE_CHECKING:
    from drumline_transport.connection import Argument

#: What was heard and does not stand in a log, before the search is given up: of dropped answers nothing is told.
_MISSES_MAX = 8

#: Two ids, a number, and short headers.
_COMMON_END_MAX = 128

#: The field of a run's record that holds what all messages of its tasks have in common.
SHARED = "shared"

#: the index of a key among those of the script, given its name and the letter of its type
Index = Callable[[str, str], int]


def log_words(commit: Commit, keys: Keys, key: Index) -> list[Argument]:
    """The entries that the commit appends to logs. ValueError for facts of one run that do not ascend."""
    p, epoch, number = commit.partition, commit.epoch, commit.number
    words: list[Argument] = []
    last: dict[str, int] = {}
    heard: dict[str, list[Heard]] = {}
    for one in commit.heard:
        heard.setdefault(one.run_id, []).append(one)
    for log in commit.logs:
        if log.last <= last.get(log.run_id, -1) or log.first > log.last:
            raise ValueError(
                f"commit {number} of partition {p}: facts {log.first}..{log.last} of run "
                f"{log.run_id!r} do not come behind fact {last.get(log.run_id, -1)}"
            )
        last[log.run_id] = log.last
        k, id_ = key(keys.log(p, log.run_id), "l"), f"{epoch}-{log.last}"
        pieces, tail = _of_inbox(log, heard.get(log.run_id, ()))
        if pieces:
            words += ("I", k, id_, log.first, tail, len(pieces) // 4, *pieces)
        else:
            words += ("L", k, id_, log.first, log.data)
    return words


def _of_inbox(log: LogAppend, heard: Sequence[Heard]) -> tuple[list[Argument], bytes]:
    """The data of a log entry as pieces, and what comes behind them. A piece is what is sent, and behind that bytes of
    an inbox entry: its id, the first and the last of them.
    """
    pieces: list[Argument] = []
    at = misses = 0
    for one in heard:
        found = log.data.find(one.part, at)
        if found < 0:
            misses += 1
            if misses > _MISSES_MAX:
                break
            continue
        first = one.data.find(one.part)
        if first >= 0:
            # In front of what was written both name the task and who ran it.
            same = _common_end(one.data[:first], log.data[at:found])
            pieces += (log.data[at : found - same], one.name, first + 1 - same, first + len(one.part))
            at = found + len(one.part)
    return pieces, log.data[at:]


def _common_end(one: bytes, other: bytes) -> int:
    """How many bytes at their ends are the same, up to `_COMMON_END_MAX`."""
    n, most = 0, min(len(one), len(other), _COMMON_END_MAX)
    while n < most and one[-1 - n] == other[-1 - n]:
        n += 1
    return n


def task_words(commit: Commit, keys: Keys, key: Index) -> list[Argument]:
    """The tasks that the commit sends out."""
    p = commit.partition
    words: list[Argument] = []
    new = {run_id for run_id, fields in commit.fields if SHARED in fields}  # their records do not hold it yet
    for task in commit.tasks:
        k, run = key(keys.tasks(task.pool), "x"), key(keys.run(p, task.run_id), "h")
        found = task.data.find(task.shared) if task.shared and task.run_id not in new else -1
        at: Argument = "" if found < 0 else found
        data = task.data if found < 0 else task.data[:found] + task.data[found + len(task.shared) :]
        part = _shared_with_log(commit, task, data, found) if task.part else None
        if part is None:
            words += ("T", k, run, task.attempt, task.pool, task.digest, at, data)
        else:
            words += ("U", k, run, task.attempt, task.pool, task.digest, at, *part)
    return words


def _shared_with_log(
    commit: Commit, task: TaskAppend, data: bytes, least: int
) -> tuple[bytes, int, int, int, bytes] | None:
    """What stands before the part of `data` that a log of the task's run holds too, where that stands (in which log
    entry of the commit, from where to where), and what stands behind it. None if no log holds it.

    The part begins at `least` or behind that.
    """
    at = data.find(task.part, max(0, least))
    if at >= 0:
        end = at + len(task.part)
        for number, log in enumerate(commit.logs, 1):
            if log.run_id == task.run_id:
                found = log.data.find(task.part)
                if found >= 0:
                    return data[:at], number, found + 1, found + len(task.part), data[end:]
    return None
