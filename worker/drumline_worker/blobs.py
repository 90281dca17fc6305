"""Large values, cached as bytes by version: a value that many tasks read is fetched once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

#: bytes that a worker keeps
CACHE_BYTES_MAX = 256 * 1024 * 1024


class BlobCache:
    """A bounded least-recently-used cache in front of `fetch(partition, blob id)`. Safe for threads."""

    def __init__(self, fetch: Callable[[int, str], bytes | None], bytes_max: int = CACHE_BYTES_MAX) -> None:
        self._fetch = fetch
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def __call__(self, partition: int, blob_id: str) -> bytes | None:
        """The value's bytes, or None if it is gone."""
        with self._lock:
            data = self._kept.get(blob_id)
            if data is not None:
                self._kept.move_to_end(blob_id)
                return data
        data = self._fetch(partition, blob_id)
        if data is not None and len(data) <= self._bytes_max:
            with self._lock:
                if blob_id not in self._kept:
                    self._kept[blob_id] = data
                    self._bytes += len(data)
                while self._bytes > self._bytes_max:
                    _, old = self._kept.popitem(last=False)
                    self._bytes -= len(old)
        return data
