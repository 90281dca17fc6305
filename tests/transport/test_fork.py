"""The child of a fork: new locks, no connection of its parent, no word on one; the parent's go on."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from tests.transport.answering import Answering
from tests.transport.test_refusals import CALLS, KEEPER, Fence, broker, commit, server, settled
from tests.transport.test_tls import tls_url

from drumline_transport import connect
from drumline_transport.redis_broker import RedisBroker

__all__ = ["broker", "server", "tls_url"]

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ALL = {**CALLS, **KEEPER}


def in_child(run: Callable[[], None]) -> None:
    """Run `run` in a child and wait for its end; it is killed when it hangs."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            run()
            code = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def lines(broker: RedisBroker) -> list[Any]:
    return [broker._any, broker._keeper, broker._inbox._line, broker._take, broker._send, broker._ctl]


def test_every_verb_works_in_child_and_parent(server: Answering, broker: RedisBroker) -> None:
    for call, result in ALL.values():
        assert call(broker) == result
    opened, inherited = server.connections, list(broker._dialer._open)
    assert len(inherited) == 7, "six lines, and one that lies in the pool"

    def child() -> None:
        assert all(connection.fileno() == -1 for connection in inherited)
        for call, result in ALL.values():
            assert call(broker) == result
        broker.close()

    in_child(child)
    assert server.connections == opened + 7, "the child opened its own"
    for call, result in ALL.values():
        assert call(broker) == result
    assert server.connections == opened + 7, "the parent kept its own"


def test_locks_that_others_held_do_not_stop_the_child(server: Answering, broker: RedisBroker) -> None:
    for call, _ in ALL.values():
        call(broker)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        locks = [line._lock for line in lines(broker)] + [broker._dialer._lock, broker._readers._lock]
        for lock in locks:
            lock.acquire()
        with broker._dialer.closed._cond:  # type: ignore[attr-defined]
            held.set()
            release.wait(30)
        for lock in locks:
            lock.release()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)

    def child() -> None:
        server.refusals.clear()
        for call, result in ALL.values():
            assert call(broker) == result
        assert not broker._dialer.closed.wait(0.001)

    try:
        in_child(child)
    finally:
        release.set()
        holder.join()


def test_the_commits_on_their_way_are_the_parents(server: Answering, broker: RedisBroker) -> None:
    fence, go = Fence(), threading.Event()

    def answer(command: list[bytes]) -> bytes:
        go.wait(10)
        return fence(command)

    server.answer = answer
    for number in (1, 2, 3):
        broker.send_commit(commit(number))

    def child() -> None:
        assert broker.outstanding == 0
        assert broker.poll_commits(50) == []

    in_child(child)
    assert broker.outstanding == 3
    go.set()
    assert settled(broker, 3) == [(1, "applied"), (2, "applied"), (3, "applied")]
    assert len(server.heard) == 3, "nobody sent them twice"


def test_a_closed_broker_is_closed_in_the_child_too(broker: RedisBroker) -> None:
    broker.close()
    in_child(lambda: None if broker._dialer.closed.is_set() else sys.exit("open"))


def test_the_parents_tls_connection_hears_no_goodbye(tls_url: str) -> None:
    """A TLS alert, or a shutdown, from the child would end the connection for the parent."""
    broker: Any = connect(tls_url, prefix="fork", create=True)
    broker.time_ms()
    connection = broker._any._connection
    assert connection is not None
    mark = broker._any.call("CLIENT", "ID")

    def child() -> None:
        assert connection.fileno() == -1
        assert broker.time_ms() > 0
        assert broker._any.call("CLIENT", "ID") != mark
        broker.close()

    in_child(child)
    in_child(lambda: connection.close())
    assert broker._any.call("CLIENT", "ID") == mark
    broker.close()
