"""Where Prometheus reads the numbers of a process."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from drumline.metrics.book import library_of_numbers
from drumline.settings import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry


def exposition(registry: CollectorRegistry) -> tuple[bytes, str]:
    """The numbers as Prometheus reads them, and their content type: for a server that has a route for it."""
    return library_of_numbers().generate_latest(registry), library_of_numbers().CONTENT_TYPE_LATEST


@contextmanager
def served_at(place: tuple[str, int], registry: CollectorRegistry) -> Iterator[str]:
    """Within the block the numbers are served, on a thread; gives their address. UsageError for a taken port."""
    host, port = place
    server: Any
    try:
        server, thread = library_of_numbers().start_http_server(port, host, registry)
    except OSError as error:
        raise UsageError(f"--metrics-port {host}:{port}: {error.strerror or error}") from None
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
