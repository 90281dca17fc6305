"""Calls of `@task`s, inside one process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class TaskCall:
    """The code of a task calls a `@task`. Embedded only, so far: no wire has it.

    `index` is the number of the call among those of its caller, `node` what it runs as, `args` are the arguments by
    position and by name. `call` tells one call from another when the caller runs again.
    """

    run: str
    task: str
    attempt: int
    executor: str
    index: int
    node: Any
    args: Any
    call: tuple[str, ...] = ()
