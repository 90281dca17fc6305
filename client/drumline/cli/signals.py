"""Stop cleanly on SIGINT and SIGTERM, without running code inside of a signal handler."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

#: tools such as `timeout` signal the process and its group: within this time a second signal says nothing new
_SAME_WISH_S = 0.3
_SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@contextlib.contextmanager
def stop_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Within the block the first signal calls `stop`, on a thread of its own; the second ends the process at once.

    A handler runs between any two instructions of the main thread, which may hold the very lock that `stop` needs. So
    the handler only leaves the signal's number in a pipe, and a thread does the rest. Call it in the main thread.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def listen() -> None:
        if os.read(reader, 1) == b"\0":
            return
        stopped_at = time.monotonic()
        stop()
        while (number := os.read(reader, 1)) != b"\0":
            if time.monotonic() - stopped_at > _SAME_WISH_S:
                os._exit(128 + number[0])

    thread = threading.Thread(target=listen, name="drumline-signals", daemon=True)
    thread.start()
    # a handler of Python must be there, or the number is not written; the number does all
    before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.write(writer, b"\0")
        thread.join(timeout=1)
        os.close(writer)
        if not thread.is_alive():
            os.close(reader)
