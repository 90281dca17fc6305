"""A server that reads the ACL file and the redis.conf of `deploy/`."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Any

import redis

from drumline_transport.local_server import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
PASSWORDS = {role: f"pass-of-{role}" for role in ("coordinator", "worker", "client", "exporter")}

#: not of the template: what tests themselves ask of a server
ADMIN = "user admin on nopass ~* &* +@all\n"

#: servers that know selectors and %R~; 6.2 does not
SERVERS = ["redis8", "valkey9"]


def render(prefix: str = "drumline") -> str:
    """The ACL file, made by the script that compose uses."""
    environment = {f"DRUMLINE_{role.upper()}_PASSWORD": password for role, password in PASSWORDS.items()}
    return subprocess.run(
        ["sh", str(DEPLOY / "render-acl.sh"), str(DEPLOY / "users.acl.template")],
        env={"PATH": os.environ["PATH"], "DRUMLINE_PREFIX": prefix, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


class Guarded:
    """A server started as compose starts it: with redis.conf, and (but on 6.2) with the users of the template."""

    def __init__(self, server: Path, folder: Path, acl: str | None) -> None:
        self.port = free_port()
        words = [str(server), str(DEPLOY / "redis.conf"), "--dir", str(folder), "--port", str(self.port)]
        words += ["--bind", "127.0.0.1"]
        if acl is not None:
            (folder / "users.acl").write_text(acl + ADMIN, encoding="utf-8")
            words += ["--aclfile", str(folder / "users.acl")]
        self._log = (folder / "server.log").open("w+b")
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        login: dict[str, Any] = {} if acl is None else {"username": "health", "password": "none"}
        self.health = redis.Redis(port=self.port, protocol=2, **login)
        self._await_ready()

    def _await_ready(self) -> None:
        for _ in range(1000):
            try:
                self.health.ping()
                return
            except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
                if self._process.poll() is not None:
                    break
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(0.01)
        self._log.seek(0)
        raise AssertionError(f"the server did not start:\n{self._log.read().decode()}")

    def url(self, role: str | None = None) -> str:
        login = "" if role is None else f"{role}:{PASSWORDS[role]}@"
        return f"redis://{login}127.0.0.1:{self.port}/0"

    def raw(self, role: str | None = None) -> redis.Redis:
        return redis.Redis.from_url(self.url(role), protocol=2, socket_timeout=10)

    def admin(self) -> redis.Redis:
        return redis.Redis(port=self.port, protocol=2, username="admin", password="none", socket_timeout=10)

    def close(self) -> None:
        self.health.close()
        self._process.kill()
        self._process.wait()
        self._log.close()
