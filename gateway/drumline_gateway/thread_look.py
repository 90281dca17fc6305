"""Which threads of a cluster have changed, by one read for each partition."""

from __future__ import annotations

from collections.abc import Collection

from drumline.cluster.link import Link
from drumline_protocol.ids import partition_of

#: threads that one read brings
_PAGE = 200
#: clocks of coordinators differ by less, and an index of threads is written in less
_SLACK_MS = 10_000


class ClusterLook:
    """Called with threads, tells when those changed last that have changed since the call before. For one thread."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._seen_ms: dict[int, int] = {}

    def __call__(self, threads: Collection[str]) -> dict[str, int]:
        """NoBroker."""
        partitions = self._link.broker().partitions
        found: dict[str, int] = {}
        for p in sorted({partition_of(thread, partitions) for thread in threads}):
            found.update(self._changed(p))
        return {thread: found[thread] for thread in threads if thread in found}

    def _changed(self, p: int) -> dict[str, int]:
        """The threads of a partition that have changed of late: the index has the newest first."""
        broker, since_ms = self._link.broker(), self._seen_ms.get(p, 0) - _SLACK_MS
        found: dict[str, int] = {}
        start = 0
        while True:
            rows = broker.list_threads(p, start, _PAGE)
            found.update(rows)
            # Without a look before this one the newest page does: whoever waits for the first time looks itself.
            if len(rows) < _PAGE or rows[-1][1] < since_ms or p not in self._seen_ms:
                break
            start += len(rows)
        self._seen_ms[p] = max(found.values(), default=self._seen_ms.get(p, 0))
        return found
