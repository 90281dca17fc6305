"""Cells and blobs in a commit, and what is trimmed of logs: the words of its script for them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from drumline_protocol.keys import Keys
from drumline_transport.entries import CellAppend, Commit

if TYPE_CHECKING:
    from drumline_transport.connection import Argument

#: Data shorter than this is sent as it is.
_SHARED_BYTES_MIN = 128
#: What stands before the value in the encoding of a change: two short array headers, the kind, one array header.
_HEAD_BYTES_MAX = 9

#: the index of a key among those of the script, given its name and the letter of its type
Index = Callable[[str, str], int]


def cell_words(commit: Commit, keys: Keys, key: Index) -> list[Argument]:
    """The versions of cells that the commit appends. ValueError for versions of one cell that do not ascend."""
    p = commit.partition
    words: list[Argument] = []
    last: dict[tuple[str, str], int] = {}
    for cell in commit.cells:
        owner = cell.run_id, cell.cell
        if not last.get(owner, 0) < cell.version or not 0 <= cell.parent < cell.version:
            raise ValueError(
                f"commit {commit.number} of partition {p}: version {cell.version} of cell {cell.cell!r} of run "
                f"{cell.run_id!r}, with parent {cell.parent}, does not come behind version {last.get(owner, 0)}"
            )
        last[owner] = cell.version
        k, run = key(keys.cells(p, *owner), "x"), key(keys.record(p, cell.run_id), "h")
        head, part = _shared_with_log(commit, cell)
        words += ("A", k, run, cell.cell, f"{cell.version}-0", cell.parent, head, *part)
    return words


def _shared_with_log(commit: Commit, cell: CellAppend) -> tuple[bytes, tuple[int, int, int]]:
    """The data of a version without its end, and where that end stands, if a log holds it: in which log entry of the
    commit, from where to where.

    What a task wrote is told in its run's log, and is most of what its cell gets.
    """
    data = cell.data
    if len(data) >= _SHARED_BYTES_MIN:
        for number, log in enumerate(commit.logs, 1):
            if log.run_id == (cell.told_in or cell.run_id):
                for head in range(_HEAD_BYTES_MAX):
                    at = log.data.find(data[head:])
                    if at >= 0:
                        return data[:head], (number, at + 1, at + len(data) - head)
    return data, (0, 0, 0)


def value_words(commit: Commit, keys: Keys, key: Index) -> list[Argument]:
    """What else the commit does with cells and blobs, and what it trims of logs.

    They come before runs that close, whose values all expire.
    """
    p = commit.partition
    words: list[Argument] = []
    for blob in commit.blobs:
        k, run = key(keys.blob(p, blob.blob_id), "-"), key(keys.record(p, blob.run_id), "h")
        words += ("B", k, run, blob.blob_id, int(blob.ttl_s), blob.data)
    for run_id, blob_id in commit.blobs_kept:
        words += ("G", key(keys.blob(p, blob_id), "-"), key(keys.record(p, run_id), "h"), blob_id)
    for run_id, cell, lowest in commit.cells_trimmed:
        words += (
            "K",
            key(keys.cells(p, run_id, cell), "x"),
            key(keys.record(p, run_id), "h"),
            cell,
            f"{int(lowest)}-0",
        )
    for run_id, cell in commit.cells_dropped:
        words += ("V", key(keys.cells(p, run_id, cell), "-"), key(keys.record(p, run_id), "h"), f"c:{cell}")
    for run_id, blob_id in commit.blobs_dropped:
        words += ("V", key(keys.blob(p, blob_id), "-"), key(keys.record(p, run_id), "h"), f"b:{blob_id}")
    for run_id, upto in commit.logs_trimmed:
        epoch, _, last = upto.partition("-")
        words += ("X", key(keys.log(p, run_id), "l"), f"{epoch}-{int(last) + 1}")
    return words
