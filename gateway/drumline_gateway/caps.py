"""How much one caller may have at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from drumline_gateway.callers import Identity, Refused


@dataclass(slots=True)
class Caps:
    """Bounds for each caller; those who are not asked who they are, are told apart by their addresses."""

    #: bytes of a request's body
    body_max: int = 32 * 1024 * 1024
    #: streams that are open
    streams_max: int = 5000
    #: requests that are being answered; that of a stream counts until the stream begins
    requests_max: int = 6000
    _streams: Counter[str] = field(default_factory=Counter)
    _requests: Counter[str] = field(default_factory=Counter)

    def stream(self, identity: Identity) -> Callable[[], None]:
        """One stream more. Returns what gives it back. Refused (429)."""
        return _taken(self._streams, identity.for_caps, self.streams_max, "streams")

    def request(self, identity: Identity) -> Callable[[], None]:
        """One request more. Returns what gives it back. Refused (429)."""
        return _taken(self._requests, identity.for_caps, self.requests_max, "requests")


def _taken(counter: Counter[str], caller: str, most: int, what: str) -> Callable[[], None]:
    if counter[caller] >= most:
        detail = f"Too many {what} at once: this caller has {most}, which is the most. Close some, or wait"
        raise Refused(429, detail, {"Retry-After": "1"})
    counter[caller] += 1
    given_back = False

    def release() -> None:
        nonlocal given_back
        if not given_back:
            given_back = True
            counter[caller] -= 1
            if not counter[caller]:
                del counter[caller]

    return release
