"""What a gateway counts: requests by their routes, open streams, gaps."""

from __future__ import annotations

from drumline.metrics.book import Book


class GatewayCounts:
    """Counts into a `Book` of the gateway; `exposition(counts.book.registry)` is what its `/metrics` answers."""

    def __init__(self) -> None:
        self.book = Book("gateway")
        self._streams = self.book.of("drumline_streams_open")
        self._gaps = self.book.of("drumline_stream_gaps_total")

    def answered(self, method: str, route: str, code: int, seconds: float) -> None:
        """A request was answered. `route` is the pattern of its path, without ids."""
        self.book.of("drumline_http_requests_total", method, route, str(code)).inc()
        self.book.of("drumline_http_request_duration_seconds", route).observe(seconds)

    def stream_opened(self) -> None:
        """A client reads a stream from now on."""
        self._streams.inc()

    def stream_closed(self) -> None:
        """It does not any more."""
        self._streams.dec()

    def gap(self) -> None:
        """A stream ended because facts were missing (`LogGap`)."""
        self._gaps.inc()
