"""The log of a process as JSON: every line is one object, whatever a record holds."""

from __future__ import annotations

import io
import json
import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import SERVED, Started, drumline, environment
from tests.servers import local_server

from drumline.cli.json_console import JsonConsole
from drumline.settings import Settings, UsageError
from drumline_protocol.log_lines import JsonFormatter, said
from drumline_transport.log_setup import say


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    log, stream = logging.getLogger("tests.log_lines"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    yield log, stream
    log.removeHandler(handler)


def _only(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return found


def test_a_record_is_one_object_with_its_extra_fields(written: tuple[logging.Logger, io.StringIO]) -> None:
    log, stream = written
    log.warning("two\nlines of %s", "r1", extra={"run_id": "r1", "attempt": 2})
    found = _only(stream)
    assert (found["level"], found["logger"], found["message"]) == ("WARNING", "tests.log_lines", "two\nlines of r1")
    assert (found["run_id"], found["attempt"]) == ("r1", 2)
    assert found["time"].endswith("Z") and set(found) == {"time", "level", "logger", "message", "run_id", "attempt"}


def test_an_exception_is_a_field(written: tuple[logging.Logger, io.StringIO]) -> None:
    log, stream = written
    try:
        raise ValueError("no")
    except ValueError:
        log.exception("it failed")
    assert _only(stream)["exception"].endswith("ValueError: no")


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize("value", [object(), Rude(), float("nan"), LOOP, {1: {(2, 3): 4}}, "\ud800\x00", b"\xff"])
def test_whatever_a_field_holds_the_line_is_an_object(value: Any, written: tuple[logging.Logger, io.StringIO]) -> None:
    log, stream = written
    log.info("held", extra={"given": value})
    assert "given" in _only(stream) and stream.getvalue().isascii()


def test_what_is_said_is_found_again_in_both_forms(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for form in ("text", "json"):
        monkeypatch.setenv("DRUMLINE_LOG_FORMAT", form)
        say("coordinator c1 ready: 1 graph")
        line = capsys.readouterr().err.rstrip("\n")
        assert said(line) == "coordinator c1 ready: 1 graph"
        assert line.startswith("{") == (form == "json")
    for line in ("{", "[]", "{}", '{"message": 3', "plain"):
        assert said(line) == line


def test_the_form_comes_from_the_option_then_from_the_environment() -> None:
    class Given:
        log_format = "json"

    assert Settings(environment={}).log_format() == "text"
    assert Settings(environment={"DRUMLINE_LOG_FORMAT": "JSON"}).log_format() == "json"
    assert Settings(Given(), {"DRUMLINE_LOG_FORMAT": "text"}).log_format() == "json"
    with pytest.raises(UsageError, match="DRUMLINE_LOG_FORMAT is 'xml'"):
        Settings(environment={"DRUMLINE_LOG_FORMAT": "xml"}).log_format()


def test_up_passes_objects_on_and_wraps_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    console = JsonConsole()
    console.print("all ready", style="green", markup=False)
    console.pass_on('{"message": "as it is"}', "c1")
    console.pass_on("printed by a node", "w1")
    console.pass_on("", "w1")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["message"] for line in lines] == ["all ready", "as it is", "printed by a node"]
    assert [line.get("logger") for line in lines] == ["drumline.up", None, "drumline.up.w1"]


@pytest.mark.cluster
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_up_writes_nothing_but_objects_and_they_tell_of_runs_and_failures(tmp_path: Path) -> None:
    with local_server() as server:
        words = ["up", SERVED, "--workers", "1", "--broker", server.url, "--log-format", "json"]
        up = Started(*words, cwd=tmp_path, env=environment())
        try:
            up.await_line("all ready")
            done = drumline("run", "fail", "--thread", "t1", cwd=tmp_path)
            assert done.returncode == 1, done.stderr
            up.await_line('"status": "failed"')
            assert up.end(signal.SIGINT) == 0
        finally:
            up.close()
    lines = [json.loads(line) for line in up.lines]
    (failed,) = [line for line in lines if line["level"] == "WARNING" and line.get("node") == "fail"]
    assert failed["error"] == "ValueError" and failed["attempt"] == 1 and failed["worker"].startswith("w1-")
    begun, ended = [line for line in lines if line["level"] == "INFO" and line.get("graph") == "fail"]
    assert begun["run_id"] == ended["run_id"] == failed["run_id"]
    assert begun["thread_id"] == ended["thread_id"] == failed["thread_id"] == "t1"
    assert ended["status"] == "failed" and "this node fails" in ended["error"]
