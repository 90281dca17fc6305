"""What a worker logs of the tasks that fail on it."""

from __future__ import annotations

import logging
from contextlib import suppress

from drumline_protocol.failure import Failure
from drumline_worker.outbox import Execution

log = logging.getLogger("drumline.worker")

#: of an exception's message; the whole of it goes to the caller
_MESSAGE_CHARS_MAX = 500


def tell_failure(execution: Execution, failure: Failure) -> None:
    """One line at WARNING; the traceback at DEBUG.

    The caller gets the traceback in any case, so the operator's log is spared thirty lines for each failure of each
    attempt. Both are made of `failure`: the exception itself has a `__str__` of the user's. A log handler that raises
    does not end the worker.
    """
    with suppress(Exception):
        message = failure.message.replace("\n", " | ")
        if len(message) > _MESSAGE_CHARS_MAX:
            message = message[:_MESSAGE_CHARS_MAX] + "..."
        text, fields = f"{execution}, failed on worker {execution.executor}", execution.fields()
        told = {**fields, "error": failure.class_name}
        log.warning("%s: %s: %s", text, failure.class_name, message, extra=told)
        traceback = failure.traceback
        log.debug("traceback of task %s, attempt %d:\n%s", execution.task, execution.attempt, traceback, extra=fields)
