"""The command line itself: what it refuses, and how it says so; and that it starts without loading the house."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.command import SERVED, Started, drumline, environment
from tests.servers import local_server

from drumline._version import __version__
from drumline.cli.health import why_not
from drumline.cli.main import main
from drumline_protocol.keys import Keys
from drumline_protocol.presence import presences
from drumline_transport import connect
from drumline_transport.local_server import LocalServer

NOBODY = "redis://:secret@127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("DRUMLINE_BROKER", "DRUMLINE_APP", "DRUMLINE_NAME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"drumline {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fly"],
        ["run"],
        ["run", "joke", "--input"],
        ["health", "broker"],
        ["up", "app.py:graph", "--workers", "0"],
        ["worker", "app.py:graph", "--concurrency", "many"],
        ["worker", "app.py:graph", "--drain-s", "-1"],
        ["coordinator", "app.py:graph", "--log-level", "loud"],
    ],
)
def test_wrong_words_are_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: drumline" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ps"], "which broker?"),
        (["run", "joke"], "which broker?"),
        (["up"], "which graph?"),
        (["run", "joke", "--broker", NOBODY, "--input", "{"], "--input is not JSON"),
        (["run", "joke", "--broker", NOBODY, "--stream", "tokens"], "unknown stream mode 'tokens'"),
        (["run", "joke", "--broker", NOBODY, "--config", "[]"], "--config is a JSON object"),
    ],
)
def test_wrong_use_is_exit_code_2_and_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"drumline {words[0]}: error: ")
    assert told in line


@pytest.mark.parametrize(
    "words", [["ps"], ["run", "joke"], ["health", "worker"], ["worker", SERVED], ["coordinator", SERVED]]
)
def test_no_broker_there(words: list[str], folder: Path) -> None:
    """One line, the address without its password, and what to do."""
    done = drumline(*words, "--broker", NOBODY, cwd=folder)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "no Redis at redis://:***@127.0.0.1:1/0" in line
    assert "secret" not in line


def test_up_without_any_server_says_what_to_install(folder: Path) -> None:
    """No server on the PATH, and a Python that does not find the package of the extra."""
    code = (
        "import sys, drumline_transport.local_server as l; l.packaged_server = lambda name: None\n"
        "from drumline.cli.main import main; sys.exit(main(['up', 'app.py:graph']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment(PATH="/nowhere"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert 'pip install "drumline[embedded]"' in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.cluster
def test_a_broker_that_evicts(folder: Path) -> None:
    with local_server(options=("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru")) as evicting:
        done = drumline("worker", SERVED, "--broker", evicting.url, cwd=folder)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "maxmemory-policy is 'allkeys-lru'" in line


@pytest.mark.cluster
def test_a_cluster_of_a_newer_protocol(server: LocalServer, folder: Path) -> None:
    import redis

    with redis.Redis.from_url(server.url) as client:
        client.hset(Keys("newer").meta(), mapping={"partitions": 8, "protocol": 99})
    done = drumline("coordinator", SERVED, "--broker", server.url, "--prefix", "newer", cwd=folder)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "version 99" in line
    assert "Upgrade drumline here" in line


@pytest.mark.cluster
def test_no_coordinator_there(server: LocalServer, folder: Path) -> None:
    connect(server.url, prefix="lonely", create=True).close()
    done = drumline("run", "joke", "--broker", server.url, "--prefix", "lonely", cwd=folder)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "no coordinator" in line
    assert "drumline coordinator" in line
    assert "nobody holds partition 0" in drumline("ps", "--broker", server.url, "--prefix", "lonely", cwd=folder).stdout


@pytest.mark.cluster
def test_roles_say_when_they_are_ready_and_stop_on_sigterm(server: LocalServer, folder: Path) -> None:
    """Names, pools, concurrency and the broker from the environment; a clean end takes them off the list."""
    env = environment(DRUMLINE_BROKER=server.url, DRUMLINE_APP=SERVED, DRUMLINE_NAME="c1", DRUMLINE_CONCURRENCY="3")
    coordinator = Started("coordinator", "--prefix", "roles", "--partitions", "3", cwd=folder, env=env)
    started = [coordinator]
    try:
        coordinator.await_line(r"^coordinator c1 ready: 7 graphs, 3 partitions$")
        worker = Started("worker", "--prefix", "roles", "--name", "w1", "--pool", "*", cwd=folder, env=env)
        started.append(worker)
        worker.await_line(r"^worker w1 ready: 7 graphs, pools default,gpu, 3 tasks at once$")
        assert worker.end(15) == 0
        assert coordinator.end(15) == 0
    finally:
        for role in started:
            role.close()
    assert "worker w1 stopped" in worker.text
    broker = connect(server.url, prefix="roles")
    try:
        assert broker.members("workers") == broker.members("coordinators") == {}
    finally:
        broker.close()


@pytest.mark.cluster
def test_a_version_that_no_worker_holds(server: LocalServer, folder: Path) -> None:
    """The run waits, and says on the client and in ps for what; a worker that comes with it runs it."""
    env = environment(DRUMLINE_BROKER=server.url)
    words = (SERVED, "--prefix", "versions", "--version")
    started = [Started("coordinator", *words, "1", cwd=folder, env=env)]
    try:
        started.append(Started("worker", *words, "2", cwd=folder, env=env))
        for role in started:
            role.await_line("ready")
        run = Started("run", "joke", "--input", '{"topic": "x"}', "--prefix", "versions", cwd=folder, env=env)
        started.append(run)
        run.await_line("warning: .*waits for a worker: graph 'joke' is held as")
        assert "joke: parked: graph 'joke'" in drumline("ps", "--prefix", "versions", cwd=folder, env=env).stdout
        started.append(Started("worker", *words, "1", cwd=folder, env=env))
        assert run.wait() == 0
        assert "about x" in run.text
    finally:
        for role in started:
            role.close()


@pytest.mark.cluster
def test_another_number_of_partitions(server: LocalServer, folder: Path) -> None:
    connect(server.url, prefix="parts", partitions=4, create=True).close()
    words = ("coordinator", SERVED, "--broker", server.url, "--prefix", "parts", "--partitions", "5")
    done = drumline(*words, cwd=folder)
    assert done.returncode == 1
    assert "this cluster has 4 partitions, not 5" in done.stderr


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["--version"], ["rich", "redis", "pydantic", "asyncio", "drumline_transport", "drumline_worker"]),
        (["ps"], ["rich", "redis", "pydantic"]),
        (["health", "worker"], ["rich", "redis", "pydantic", "langchain_core", "drumline_coordinator"]),
    ],
)
def test_a_command_imports_no_more_than_it_needs(folder: Path, words: list[str], absent: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "drumline.cli.main", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    imported = set(re.findall(r"\|\s+([\w.]+)$", done.stderr, re.MULTILINE))
    assert "drumline.settings" in imported
    assert imported.isdisjoint(absent)


def test_a_folder_that_cannot_be_written_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "app.py").write_text("")
    (folder / ".drumline").write_text("a file where the folder belongs")
    assert main(["up", "app.py:graph"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("drumline up: error:") and ".drumline" in line


def test_port_goes_with_a_broker_that_up_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "app.py:graph", "--port", "7000", "--broker", NOBODY]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--port" in line and "leave one out" in line


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert "install-scripts" in text and "drumline" in text


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([("w1-ab", "HERE", 0)], None),
        ([("HERE-1", "", 0)], None),
        ([("w1-ab", "other", 0)], "no worker on host"),
        ([("w1-ab", "HERE", 60_000), ("w2-ab", "HERE", 10)], None),
        ([("w1-ab", "HERE", 60_000)], "last heard of 60.0 s ago"),
    ],
)
def test_health_finds_who_runs_on_this_host(rows: list[tuple[str, str, int]], why: str | None) -> None:
    host = socket.gethostname()
    said = {
        name.replace("HERE", host): (json.dumps({"host": at.replace("HERE", host)}).encode(), age)
        for name, at, age in rows
    }
    told = why_not("worker", None, presences(said))
    assert (told is None) if why is None else (told is not None and why in told)
