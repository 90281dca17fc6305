"""The verbs of the double about assistants. Promises: `AssistantVerbs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from drumline_protocol.limits import ASSISTANTS_MAX
from drumline_transport.assistant_verbs import too_many

if TYPE_CHECKING:
    from drumline_transport.memory_server import MemoryServer

    class _Double(Protocol):
        def _reach(self, *, write: bool = False) -> MemoryServer: ...
else:
    _Double = object


class MemoryAssistants(_Double):
    """Assistants in a dict."""

    def assistants(self) -> dict[str, bytes]:
        return dict(self._reach().assistants)

    def assistant(self, assistant: str) -> bytes | None:
        return self._reach().assistants.get(assistant)

    def swap_assistant(self, assistant: str, was: bytes | None, data: bytes | None) -> bool:
        kept = self._reach(write=True).assistants
        found = kept.get(assistant)
        if found != data:
            if found != was:
                return False
            if data is None:
                del kept[assistant]
            elif found is None and len(kept) >= ASSISTANTS_MAX:
                raise too_many()
            else:
                kept[assistant] = data
        return True
