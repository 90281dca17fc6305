"""How the facts tell that a task's command was for the graph above its own. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: channel of the one write of a task that answered with a command for the graph above, while its siblings go on
LEAVE = "__leave__"


def leaves(writes: Sequence[Sequence[Any]]) -> bool:
    """Whether these are the writes of such a task."""
    return len(writes) == 1 and writes[0][0] == LEAVE
