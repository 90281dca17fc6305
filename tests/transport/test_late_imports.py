"""What a connection needs is imported with the transport: a fork beside its first call finds no import half done."""

from __future__ import annotations

import subprocess
import sys

from drumline_transport.local_server import LocalServer

FIRST_CALLS = """
import sys
from drumline_transport import redis_broker
from drumline_transport.broker import Position

before = set(sys.modules)
broker = redis_broker.connect(sys.argv[1], create=True)
broker.submit(0, "run", b"request")
assert broker.read_inbox({0: Position("0", "0")}, 10, 0)
broker.close()
print(sorted(set(sys.modules) - before))
"""


def test_the_first_calls_of_a_process_import_nothing() -> None:
    with LocalServer() as server:
        command = [sys.executable, "-c", FIRST_CALLS, server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
