"""Threads in a commit: what a run adds to the history of its thread, and what the thread's head says then. No IO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from drumline_coordinator.effects import Effects
from drumline_coordinator.held_rows import NOTHING_HELD, Holders, holders_of, without_held
from drumline_coordinator.said_before import part_of_row
from drumline_protocol.checkpoints import Checkpoint, Save
from drumline_protocol.codec import Codec
from drumline_protocol.facts import RunFinished
from drumline_protocol.graph_paths import has_one_history
from drumline_protocol.history import CHECKPOINT, WRITES, next_row
from drumline_protocol.thread_rows import row_data
from drumline_protocol.threads import BUSY, ThreadHead, changed_fields
from drumline_transport.broker import Commit, HistoryRow

_UPDATED_EACH_MS = 1000


class Added(NamedTuple):
    """Rows, and the newest checkpoint of the root graph behind them."""

    rows: list[HistoryRow]
    head: str


def added_by(codec: Codec, head: ThreadHead, effects: Sequence[Effects]) -> Added:
    """What effects add to a thread. Changes nothing. EncodeError, or whatever an encoder of the user raises."""
    saves = [save for fx in effects for save in fx.saves]
    return rows_of(codec, head, saves, holders_of(saves, [row for fx in effects for row in fx.rows]))


def rows_of(codec: Codec, head: ThreadHead, saves: Sequence[Save], holders: Holders = NOTHING_HELD) -> Added:
    """The rows of these saves. What no checkpoint is there for is left out: a graph that does not last made it.

    `holders` are checkpoints that are committed with them, and hold what they say.
    """
    rows: list[HistoryRow] = []
    at, newest = head.row, head.head
    for save in saves:
        is_checkpoint = isinstance(save, Checkpoint)
        checkpoint = save.id if isinstance(save, Checkpoint) else save.checkpoint
        if not checkpoint:
            continue
        at = next_row(at, save)
        kind = CHECKPOINT if is_checkpoint else WRITES
        data = row_data(codec, without_held(save, holders))
        rows.append(HistoryRow(at, kind, save.ns, checkpoint, data, part_of_row(save)))
        if is_checkpoint and not save.ns:
            newest = max(newest, checkpoint)
    return Added(rows, newest)


def put_rows(commit: Commit, head: ThreadHead, added: Added) -> None:
    """Append the rows."""
    commit.history.extend((head.id, row) for row in added.rows)
    if added.rows:
        head.row = added.rows[-1].id
    head.head = added.head
    head.called.update((row.ns, row.id) for row in added.rows if row.kind == CHECKPOINT and has_one_history(row.ns))


def put_head(commit: Commit, codec: Codec, head: ThreadHead, now_ms: float) -> None:
    """Write what the head says now. While a run goes on, when it changed is told once a second at most."""
    goes_on = head.status == BUSY and head.stored.get("status") == BUSY.encode()
    changed = not (goes_on and 0 <= now_ms - head.updated_ms < _UPDATED_EACH_MS)
    if changed:
        head.updated_ms = int(now_ms)
    commit.threads.append((head.id, head.updated_ms if changed else 0, changed_fields(codec, head)))


def put_end(
    commit: Commit, head: ThreadHead, end: RunFinished, now_ms: float, *, takes_back: bool, is_root: bool
) -> None:
    """The run of the thread has ended. `takes_back`: nothing of what it has added is to stay."""
    commit.thread_runs.append((head.id, head.run, int(now_ms)))
    if takes_back:
        commit.history_cut.append((head.id, head.base_row))
        head.take_back()
    else:
        head.end(end.status, is_root=is_root)
