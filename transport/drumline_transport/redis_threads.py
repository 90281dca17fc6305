"""Looking at threads on Redis. Promises: `ThreadVerbs`."""

from __future__ import annotations

from drumline_transport.entries import HistoryRow, QueueRow
from drumline_transport.redis_core import RedisCore, _pairs
from drumline_transport.rows import history_rows, queue_rows, text
from drumline_transport.thread_verbs import PAGE_MAX


class RedisThreads(RedisCore):
    """`ThreadVerbs` on Redis."""

    def load_thread(self, p: int, thread: str) -> dict[str, bytes]:
        return _pairs(self._any.call("HGETALL", self._keys.thread(p, thread)))

    def read_history(
        self,
        p: int,
        thread: str,
        oldest: str = "-",
        newest: str = "+",
        count: int = PAGE_MAX,
        *,
        backwards: bool = False,
    ) -> list[HistoryRow]:
        command, bounds = ("XREVRANGE", (newest, oldest)) if backwards else ("XRANGE", (oldest, newest))
        return history_rows(self._any.call(command, self._keys.history(p, thread), *bounds, "COUNT", count))

    def read_queue(self, p: int, after: str = "-", count: int = PAGE_MAX) -> list[QueueRow]:
        start = after if after == "-" else f"({after}"
        return queue_rows(self._any.call("XRANGE", self._keys.queue(p), start, "+", "COUNT", count))

    def list_threads(self, p: int, start: int, count: int) -> list[tuple[str, int]]:
        if count < 1:
            return []
        key, end = self._keys.threads(p), start + count - 1
        words = iter(self._any.call("ZREVRANGE", key, start, end, "WITHSCORES"))
        return [(text(name), int(float(score))) for name, score in zip(words, words, strict=True)]

    def runs_of_thread(self, p: int, thread: str) -> list[tuple[str, int]]:
        words = iter(self._any.call("ZRANGE", self._keys.runs(p, thread), 0, -1, "WITHSCORES"))
        return [(text(run), _ended(score)) for run, score in zip(words, words, strict=True)]


def _ended(score: bytes) -> int:
    at_ms = float(score)
    return 0 if at_ms == float("inf") else int(at_ms)
