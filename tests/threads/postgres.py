"""A PostgreSQL server of Debian's for tests: on a socket of its own, in a folder that goes away with it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def programs() -> Path | None:
    """Where `initdb` and `pg_ctl` lie; None if there is no server here."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


@contextmanager
def server() -> Iterator[str]:
    """The address of a fresh database. Skips the test, and says so, where no server can be started."""
    bin_dir = programs()
    if bin_dir is None:
        pytest.skip("NOT TESTED: PostgreSQL through LangGraph's saver; install Debian's package postgresql")
    user = None
    if os.getuid() == 0:  # it refuses to run as root
        try:
            user = pwd.getpwnam("postgres").pw_name
        except KeyError:
            pytest.skip("NOT TESTED: PostgreSQL through LangGraph's saver; there is no user 'postgres' to run it as")
    folder = Path(tempfile.mkdtemp(prefix="drumline-pg-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"
        _run(user, bin_dir / "initdb", "-D", data, "-U", "drumline", "-A", "trust", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        _run(user, bin_dir / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "start")
        try:
            yield f"postgresql://drumline@/postgres?host={folder}"
        finally:
            _run(user, bin_dir / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(user: str | None, *command: str | Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {
        "LC_ALL": "C.UTF-8"
    }
    subprocess.run(
        [str(word) for word in command],
        user=user,
        env=environment,
        cwd="/",
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=60,
    )
