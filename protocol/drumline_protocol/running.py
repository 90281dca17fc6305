"""Where code finds the task that it runs in. Pure.

The worker's node runner sets the variable (`drumline_worker.context.enter`). A client only looks: a call out of a node
takes over the node's config. A process that runs no nodes finds None, and need not load the node runner for that.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

#: key of `configurable` by which a config is known to be that of a task (LangGraph's name)
TASK_KEY = "__pregel_task_id"
#: where a task's config holds its `TaskContext`: a node that hands its config on to a thread hands on its task
CONTEXT_KEY = "__drumline_task"

#: set around every call of user code: a `drumline_worker.context.TaskContext`, or None
current: ContextVar[Any] = ContextVar("drumline_task", default=None)
