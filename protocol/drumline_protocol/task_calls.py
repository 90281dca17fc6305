"""Messages about calls of `@task`s. Import them from `drumline_protocol.messages`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class TaskCall:
    """The code of a task calls a `@task`, and waits for the result.

    `index` is the number of the call among those of its caller, `name` that of the `@task`, `args` are the arguments by
    position and by name: boxed on a wire, or the `Named` of a blob. `call` tells one call from another when the caller
    runs again. `code` says where workers find the `@task`. Asked twice, it is answered twice and made once.
    """

    run: str
    task: str
    attempt: int
    executor: str
    index: int
    name: str
    args: Any
    call: tuple[str, ...] = ()
    code: str = ""
    token: str = ""
    #: as in `TaskResult`: how many events the caller emitted before it
    events: int = -1
    #: the caller has cancelled the call: what its task ends with
    error: Any = None
    #: on a cluster: as in `TaskCalled`
    params: tuple[str, ...] = ()
    #: in one process: the node that it runs as
    node: Any = None


@dataclass(slots=True)
class CallEnded:
    """What became of call `index` of a task's attempt: what it `writes`, its `error`, or what it asks (`interrupts`).

    All workers hear it; the one whose task made the call hands it on.
    """

    run: str
    task: str
    attempt: int
    index: int
    writes: Any = None
    error: Any = None
    interrupts: Any = None
