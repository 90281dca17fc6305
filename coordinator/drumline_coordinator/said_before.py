"""What a commit is about to say that the broker has already, or the commit itself: it is named, and not sent again.

Pure. Each function finds the bytes; `drumline_transport` finds where they stand.
"""

from __future__ import annotations

from typing import Any

from drumline_coordinator.tasks import Task
from drumline_coordinator.thread_config import thread_of_request
from drumline_graph.constants import TASKS
from drumline_graph.types import Send
from drumline_protocol.checkpoints import Checkpoint, Save
from drumline_protocol.codec import Boxed
from drumline_protocol.codec_derived import Derived
from drumline_protocol.messages import RunRequest, TaskResult
from drumline_protocol.requests import input_in
from drumline_transport.broker import INBOX, REQUESTS, Heard, InboxEntry

#: less of it is sent again as it is
PART_BYTES_MIN = 128


def heard_in(entry: InboxEntry, message: Any) -> Heard | None:
    """What an entry of the inbox or of the requests tells that the run's log is likely to tell again, byte for byte."""
    part = b""
    if type(message) is TaskResult and entry.source == INBOX:
        part = message.writes.data if type(message.writes) is Boxed else b""
    elif type(message) is RunRequest and entry.source == REQUESTS and thread_of_request(message) is not None:
        part = input_in(entry.data)
    return Heard(entry.run, entry.id, entry.data, part, entry.source) if _is_worth_it(part) else None


def part_of_task(task: Task) -> bytes:
    """The bytes in the message of a task that are those of a result before it."""
    return _boxed(task.input)


def part_of_row(save: Save) -> bytes:
    """The bytes in a row that its task has told: the argument of its Send, the largest if it has several."""
    sends = save.cells.get(TASKS) if isinstance(save, Checkpoint) else [v for c, v in save.writes if c == TASKS]
    return max((_boxed(send.arg) for send in sends or () if type(send) is Send), key=len, default=b"")


def _boxed(value: Any) -> bytes:
    box = value.box if type(value) is Derived else None
    return box.data if type(box) is Boxed and _is_worth_it(box.data) else b""


def _is_worth_it(part: bytes) -> bool:
    return len(part) >= PART_BYTES_MIN
