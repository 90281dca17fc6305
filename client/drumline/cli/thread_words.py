"""What a thread waits for, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline_protocol.checkpoints import Saved, outcomes
from drumline_protocol.presence import printable

#: characters of a question, or an error, that a table shows
_TOLD_CHARS_MAX = 100


def told_of(saved: Saved) -> str:
    """What the tasks behind a checkpoint wait for; "" if nothing is open there."""
    found = outcomes(saved.pending)
    left = [task for task in saved.checkpoint.tasks if task.id not in found or not found[task.id].has_ended]
    errors = [f"failed in {task.name}: {found[task.id].error}" for task in left if _of(found, task.id, "error")]
    asked = [
        f"{task.name} asks {question.value!r}"
        for task in left
        for question in _of(found, task.id, "open_interrupts") or ()
    ]
    told = [*errors, *asked] or [f"goes on at {', '.join(sorted({task.name for task in left}))}"] * bool(left)
    return printable(
        "; ".join(each if len(each) <= _TOLD_CHARS_MAX else f"{each[:_TOLD_CHARS_MAX]}..." for each in told)
    )


def _of(found: Mapping[str, Any], task: str, what: str) -> Any:
    outcome = found.get(task)
    return None if outcome is None else getattr(outcome, what)
