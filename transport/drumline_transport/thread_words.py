"""Threads in a commit: the words of its script for them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumline_protocol.keys import Keys
from drumline_protocol.limits import LOG_TTL_S
from drumline_transport.entries import Commit, HistoryRow
from drumline_transport.rows import history_data
from drumline_transport.value_words import Index

if TYPE_CHECKING:
    from drumline_transport.connection import Argument

#: words of one HSET inside the commit script
_FIELD_WORDS_MAX = 100


def entry_words(commit: Commit, keys: Keys, key: Index) -> list[Argument]:
    """The rows of histories and of the queue that the commit appends. ValueError for ids that do not ascend."""
    p = commit.partition
    words: list[Argument] = []
    last: dict[str, tuple[int, int]] = {}

    def place(name: str, id_: str) -> tuple[int, str]:
        ms, _, seq = id_.partition("-")
        at = int(ms), int(seq)
        if at <= last.get(name, (0, 0)):
            raise ValueError(f"commit {commit.number} of partition {p}: entry {id_} of {name} does not come last")
        last[name] = at
        return key(name, "x"), id_

    for thread, row in commit.history:
        data, where = history_data(row), place(keys.history(p, thread), row.id)
        pieces = _shared_with_log(commit, row, data) if row.part else None
        words += ("E", *where, 2, "d", data) if pieces is None else ("e", *where, *pieces)
    for queued in commit.queued:
        pairs = ("t", queued.thread, "r", queued.run_id, "s", queued.strategy, "d", queued.data)
        words += ("E", *place(keys.queue(p), queued.id), len(pairs), *pairs)
    return words


def _shared_with_log(commit: Commit, row: HistoryRow, data: bytes) -> tuple[bytes, int, int, int, bytes] | None:
    """What stands before the part of `data` that a log of the commit holds too, where that stands (in which log entry,
    from where to where), and what stands behind it. None if no log holds it.
    """
    at = data.find(row.part)
    for number, log in enumerate(commit.logs if at >= 0 else (), 1):
        found = log.data.find(row.part)
        if found >= 0:
            return data[:at], number, found + 1, found + len(row.part), data[at + len(row.part) :]
    return None


def thread_words(commit: Commit, keys: Keys, key: Index) -> list[Argument]:
    """What else the commit does with threads."""
    p = commit.partition
    words: list[Argument] = []
    for id_ in commit.unqueued:
        words += ("Q", key(keys.queue(p), "x"), id_)
    for thread, after in commit.history_cut:
        words += ("H", key(keys.history(p, thread), "x"), after)
    for thread, row in commit.history_dropped:
        words += ("Q", key(keys.history(p, thread), "x"), row)
    for thread, at_ms, fields in commit.threads:
        k = key(keys.thread(p, thread), "h")
        pairs: list[Argument] = [word for pair in fields.items() for word in pair]
        for i in range(0, len(pairs), _FIELD_WORDS_MAX):
            chunk = pairs[i : i + _FIELD_WORDS_MAX]
            words += ("F", k, len(chunk), *chunk)
        if at_ms:
            words += ("Z", key(keys.threads(p), "z"), int(at_ms), thread)
    for thread, run_id, ended_ms in commit.thread_runs:
        k = key(keys.runs(p, thread), "z")
        words += ("J", k, run_id, int(ended_ms) or "+inf", int(ended_ms) and int(ended_ms) - LOG_TTL_S * 1000)
    for thread in commit.threads_deleted:
        head, history = key(keys.thread(p, thread), "h"), key(keys.history(p, thread), "x")
        values, runs = key(keys.values(p, thread), "h"), key(keys.runs(p, thread), "z")
        words += ("D", key(keys.threads(p), "z"), thread, head, history, values, runs)
    return words
