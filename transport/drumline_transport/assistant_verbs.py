"""The verbs about assistants that clients have made: gateways keep them in the broker, and nobody else reads them.

A part of `drumline_transport.broker`, where the words of the promises are explained.
"""

from __future__ import annotations

from typing import Protocol

from drumline_protocol.limits import ASSISTANTS_MAX


class AssistantVerbs(Protocol):
    """Assistants by their ids. What is kept of one is opaque, and never empty."""

    def assistants(self) -> dict[str, bytes]:
        """All of them."""
        ...

    def assistant(self, assistant: str) -> bytes | None:
        """What is kept of one; None: there is none."""
        ...

    def swap_assistant(self, assistant: str, was: bytes | None, data: bytes | None) -> bool:
        """Put `data` (None: nothing) in the place of `was` (None: nothing); False if something else is there.

        Atomic, idempotent. `ValueError` when there are `ASSISTANTS_MAX` of them.
        """
        ...


def too_many() -> ValueError:
    """What is raised for an assistant too many."""
    return ValueError(f"there are {ASSISTANTS_MAX} assistants, and there may be no more: delete some")
