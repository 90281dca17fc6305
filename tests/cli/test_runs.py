"""`drumline start join result cancel status logs`, and `ps --watch`: on a real cluster, as processes."""

from __future__ import annotations

import json
import signal
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import SERVED, Started, drumline, environment
from tests.servers import local_server

from drumline.cli.main import main, parser
from drumline.cli.run_log import as_line, as_plain
from drumline.cli.run_options import COMMANDS
from drumline.cli.runs import run as run_command
from drumline_protocol.codec import Boxed, Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.facts import Emitted, TaskFinished

CODEC = Codec(TypeTable())
Capture = pytest.CaptureFixture[str]


class Site:
    """A folder with an `up` in it."""

    def __init__(self, folder: Path, up: Started) -> None:
        self.folder, self.up = folder, up

    def call(self, *words: str, code: int = 0) -> Any:
        done = drumline(*words, cwd=self.folder)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def start(self, graph: str, **input: Any) -> str:
        return str(self.call("start", graph, "--input", json.dumps(input)).stdout).strip()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("runs")
    with local_server() as server:
        up = Started("up", SERVED, "--workers", "1", "--broker", server.url, cwd=folder, env=environment())
        try:
            up.await_line("all ready")
            yield Site(folder, up)
        finally:
            up.close()


pytestmark = pytest.mark.cluster


def test_a_run_is_started_joined_and_asked_for_its_result(site: Site) -> None:
    run_id = site.start("joke", topic="cats")
    assert json.loads(site.call("result", run_id).stdout) == {"topic": "cats", "joke": "about cats"}
    items = [json.loads(line) for line in site.call("join", run_id, "--json").stdout.splitlines()]
    assert [(item["mode"], item["data"]) for item in items] == [
        ("custom", {"progress": "50%"}),
        ("updates", {"joke": {"joke": "about cats"}}),
    ]
    status = json.loads(site.call("status", run_id, "--json").stdout)
    assert (status["graph"], status["status"], status["open_tasks"]) == ("joke", "done", [])
    assert site.call("cancel", run_id).stdout == f"run {run_id} has ended already: done\n"


def test_the_log_is_shown_fact_by_fact(site: Site) -> None:
    run_id = site.start("joke", topic="dogs")
    facts = [json.loads(line) for line in site.call("logs", run_id, "--follow", "--json").stdout.splitlines()]
    assert [fact["number"] for fact in facts] == list(range(1, len(facts) + 1))
    assert (facts[0]["fact"], facts[0]["graph"], facts[-1]["fact"]) == ("RunStarted", "joke", "RunFinished")
    (emitted,) = [fact for fact in facts if fact["fact"] == "Emitted"]
    assert emitted["items"] == [{"kind": 0, "payload": {"progress": "50%"}}]
    (finished,) = [fact for fact in facts if fact["fact"] == "TaskFinished"]
    assert ["joke", "about dogs"] in finished["writes"]
    lines = site.call("logs", run_id).stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [[str(fact["number"]), fact["fact"]] for fact in facts]


def test_a_run_that_waits_says_for_what_and_is_cancelled(site: Site, tmp_path: Path) -> None:
    run_id = site.start("stick", mark=str(tmp_path / "mark"))
    join = Started("join", run_id, cwd=site.folder)
    join.await_line("stuck")
    assert join.end(signal.SIGINT) == 130
    again = join.text.partition("--after ")[2].partition("`")[0]
    assert f"run {run_id} goes on" in join.text and again
    told = site.call("status", run_id).stdout.splitlines()
    assert "status   open" in told and "task     stick: given to pool 'default'" in told
    rest = Started("join", run_id, "--after", again, cwd=site.folder)
    assert site.call("cancel", run_id, "--reason", "enough of it").stdout == f"run {run_id} is being cancelled\n"
    assert rest.wait() == 1 and "enough of it" in rest.text and "stuck" not in rest.text
    assert "enough of it" in site.call("result", run_id, code=1).stderr


def test_a_run_that_failed_ends_join_and_result_with_1(site: Site) -> None:
    run_id = site.start("fail")
    for command in ("join", "result"):
        told = site.call(command, run_id, code=1).stderr
        assert f"run {run_id} of graph 'fail' failed in node 'fail'" in told and "this node fails" in told


def test_an_unknown_run_is_told(site: Site) -> None:
    for command in ("join", "result", "cancel", "status", "logs"):
        assert "no-such-run" in site.call(command, "no-such-run", code=1).stderr


def test_ps_looks_again(site: Site) -> None:
    watching = Started("ps", "--watch", "0.2", "--json", cwd=site.folder)
    try:
        for _ in range(2):
            found = json.loads(watching.await_line(r"^\{").string)
            assert len(found["workers"]) == 1
        assert watching.end(signal.SIGINT) == 0
    finally:
        watching.close()


# -- without a cluster ------------------------------------------------------------------------------


def test_words_that_do_not_go_together(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    broker = ["--broker", "redis://127.0.0.1:1"]
    assert main(["start", "app.py:graph", *broker]) == 2
    assert "`drumline run` does that" in capsys.readouterr().err
    assert main(["ps", "--threads", "--watch", *broker]) == 2
    assert "--watch goes with" in capsys.readouterr().err
    assert main(["start", "joke", "--resume", "1", *broker]) == 2
    assert "name it with --thread" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_the_commands(shell: str, capsys: Capture) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name, *_ in COMMANDS)
    assert shell == "tcsh" or "--watch" in script  # that one completes no options


def test_every_command_finds_its_module() -> None:
    for name, module, _, _ in COMMANDS:
        args = parser().parse_args([name, "x"])
        assert isinstance(args, Namespace) and args.module == module
    assert callable(run_command)


def test_a_fact_that_cannot_be_read_is_told_in_its_place() -> None:
    found = as_plain(TaskFinished((), "t", 1, "w1", Boxed(b"\xc1", CODEC), 0.0), CODEC)
    assert "cannot be read here" in found["writes"]
    found = as_plain(Emitted("t", 1, 1, "w1", [b"\xc1"]), CODEC)
    assert "cannot be read here" in found["items"][0]
    line = as_line(7, {"fact": "TaskFailed", "ns": (), "text": "\x1b[31m" + "x" * 999})
    assert line.startswith("     7 TaskFailed text=") and line.endswith("...") and "\x1b" not in line
