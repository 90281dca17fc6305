"""What a gateway counts: requests by their routes, open streams, gaps."""

from __future__ import annotations

from drumline.metrics.book import UNKNOWN, Book
from drumline.metrics.serving import exposition


class GatewayCounts:
    """Counts into a `Book` of the gateway. MetricsNotInstalled."""

    def __init__(self) -> None:
        self.book = Book("gateway")
        self._streams = self.book.of("drumline_streams_open")
        self._gaps = self.book.of("drumline_stream_gaps_total")
        self._stalls = self.book.of("drumline_streams_stalled_total")

    def answered(self, method: str, route: str, code: int, seconds: float) -> None:
        """A request was answered. `route` is the pattern of its path, without ids."""
        self.book.of("drumline_http_requests_total", method, route, str(code)).inc()
        self.book.of("drumline_http_request_duration_seconds", route).observe(seconds)

    def refused(self, code: int) -> None:
        """A request had a path or a method that there is not: whatever it was, names that anybody may make up are no
        labels."""
        self.book.of("drumline_http_requests_total", UNKNOWN, UNKNOWN, str(code)).inc()

    def stream_opened(self) -> None:
        """A client reads a stream from now on."""
        self._streams.inc()

    def stream_closed(self) -> None:
        """It does not any more."""
        self._streams.dec()

    def gap(self) -> None:
        """A stream ended because facts were missing (`LogGap`)."""
        self._gaps.inc()

    def stalled(self) -> None:
        """A stream ended because its client took nothing of it for too long."""
        self._stalls.inc()

    def told(self) -> tuple[bytes, str]:
        """All of it as Prometheus reads it, and the content type of that."""
        return exposition(self.book.registry)
