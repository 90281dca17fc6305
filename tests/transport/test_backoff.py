"""`Pause`: it grows, it differs between processes, it ends with its event, and it says little."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from drumline_transport.backoff import FIRST_S, LONGEST_S, TELL_EVERY_S, Pause


def test_pauses_grow_up_to_the_longest_and_begin_anew() -> None:
    pause = Pause()
    first = pause.seconds()
    assert FIRST_S / 2 <= first <= FIRST_S
    later = [pause.seconds() for _ in range(2000)]  # so many that 2**n alone would overflow
    assert all(LONGEST_S / 2 <= seconds <= LONGEST_S for seconds in later[10:])
    assert pause._failures == 2001
    pause.reset()
    assert pause._failures == 0 and pause.seconds() <= FIRST_S


def test_processes_that_failed_together_do_not_come_back_together() -> None:
    pauses = [Pause() for _ in range(50)]
    for _ in range(8):
        waits = [pause.seconds() for pause in pauses]
    assert len({round(wait, 3) for wait in waits}) > 25
    assert max(waits) - min(waits) > LONGEST_S / 4


def test_a_wait_ends_with_its_event() -> None:
    pause, stop = Pause(first_s=60, longest_s=60), threading.Event()
    threading.Timer(0.05, stop.set).start()
    began = time.monotonic()
    assert pause.wait(stop, most_s=60)
    assert time.monotonic() - began < 20
    assert not Pause(first_s=0.001).wait(threading.Event())
    assert not Pause(first_s=60, longest_s=60).wait(None, most_s=0.01), "no longer than it was allowed"


def test_one_line_at_first_then_a_summary(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    pause, log = Pause(clock=lambda: now[0]), logging.getLogger("test")
    for _ in range(1000):  # a loop that fails, is well for a moment, and fails again, for 25 s
        pause.warn(log, "no Redis")
        pause.seconds()
        pause.reset()
        now[0] += 0.025
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert caplog.messages[0] == "no Redis"
    assert caplog.messages[1] == f"no Redis (still waiting: 399 times more in {TELL_EVERY_S:.0f} s)"
    now[0] += 3600
    pause.warn(log, "no Redis")
    assert len(caplog.messages) == 4
