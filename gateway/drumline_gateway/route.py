"""What a route is: a line of the table in `drumline_gateway.routes`. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

#: takes an `Ask`, answers with a response of Starlette
Handler = Callable[[Any], Any]

FULL, PARTIAL, NO = "full", "partial", "no"


class Row(NamedTuple):
    """One route. `clients` are those that call it: P Python's SDK, J JavaScript's, A Agent Chat UI, D deep-agents-ui,
    U assistant-ui, C CopilotKit, R RemoteGraph. `built` says how much of it is there, `note` what is not.
    """

    method: str
    path: str
    handler: Handler
    clients: str = ""
    built: str = FULL
    note: str = ""
    #: anybody may ask: probes, and clients that look whether there is a server
    is_open: bool = False
