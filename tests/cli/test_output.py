"""What `drumline run` prints: JSON lines, plain lines, and the terminal with bars and running nodes."""

from __future__ import annotations

import dataclasses
import enum
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr
from rich.console import Console
from tests.odd_values import Mute, Odd, RaisingModel

from drumline.cli.display import LiveOutput
from drumline.cli.jsonable import to_line
from drumline.cli.outputs import JsonOutput, LineOutput
from drumline.cli.progress import progress_of
from drumline.cli.run import read_json, read_modes
from drumline.settings import UsageError


@dataclasses.dataclass
class Point:
    x: int
    deep: Any = None


class Model(BaseModel):
    name: str
    point: Any = None


class Colour(str, enum.Enum):
    RED = "red"


class Secretive(BaseModel):
    password: SecretStr = SecretStr("hidden")


def _cycle() -> list[Any]:
    cycle: list[Any] = [1]
    cycle.append({"again": cycle})
    return cycle


def _deep() -> list[Any]:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    return deep


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": (1, {2}), 3: None}, {"a": [1, [2]], "3": None}),
        (Point(1, Point(2)), {"x": 1, "deep": {"x": 2, "deep": None}}),
        (Model(name="n", point=Point(1)), {"name": "n", "point": {"x": 1, "deep": None}}),
        ([Colour.RED, Odd(), b"raw", 1.5], ["red", "<odd>", "cmF3", 1.5]),
        ([float("nan"), float("inf"), -float("inf")], ["NaN", "Infinity", "-Infinity"]),
        ("line\nbreak \u2028 \u00e4", "line\nbreak \u2028 \u00e4"),
        (True, True),
        (2**70, 2**70),
        ("half \ud800", "half \\ud800"),
        ({"\ud800": [1.5]}, {"\\ud800": [1.5]}),
        ({1: 2, None: 3, (1, 2): 4, 1.5: 5, Colour.RED: 6}, {"1": 2, "None": 3, "1,2": 4, "1.5": 5, "red": 6}),
        ([b"\xff\xfe", bytearray(b"\xff")], ["__4=", "_w=="]),
        (Secretive(), {"password": "**********"}),
        (RaisingModel(), {"x": 1}),
        ({"odd": Mute(), "good": 1}, {"odd": "<Mute whose repr raises RuntimeError>", "good": 1}),
        (_cycle(), [1, {"again": "<the list that this lies in>"}]),
        ([Point(_cycle()), "\udfff"], [{"x": [1, {"again": "<the list that this lies in>"}], "deep": None}, "\\udfff"]),  # type: ignore[arg-type]
        ([datetime(2026, 1, 2, 3, 4), Path("/x"), ValueError("v")], ["2026-01-02T03:04:00", "/x", "ValueError('v')"]),
        ([float("nan"), "\ud800"], ["NaN", "\\ud800"]),
    ],
)
def test_any_item_is_one_line_of_json(value: Any, shown: Any) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    for ascii_only in (False, True):
        line = to_line(value, ascii_only=ascii_only)
        assert "\n" not in line
        line.encode("ascii" if ascii_only else "utf-8")
        assert json.loads(line, parse_constant=refuse) == shown


def test_what_lies_too_deep_is_cut_off() -> None:
    assert "<deeper than is shown>" in to_line({"a": _deep(), "b": 1})


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "no-such-encoding"])
def test_json_output_in_any_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    class Out(io.StringIO):
        @property
        def encoding(self) -> str:  # type: ignore[override]
            return encoding

    out = Out()
    monkeypatch.setattr("sys.stdout", out)
    JsonOutput(subgraphs=False).show((), "custom", "\u00e4 \u4e2d \ud800")
    text = out.getvalue()
    assert text.isascii() == (encoding != "utf-8")
    assert json.loads(text)["data"] == "\u00e4 \u4e2d \\ud800"


def test_a_value_of_a_class_that_is_not_known_here_shows_its_fields() -> None:
    from drumline_protocol.codec import Codec, TypeTable  # type: ignore[attr-defined]

    data = Codec(TypeTable().with_types([Point])).encode(Point(4))
    assert json.loads(to_line(Codec(TypeTable()).decode(data))) == {"x": 4, "deep": None}


@pytest.mark.parametrize(
    ("event", "percent"),
    [
        ({"progress": 50}, 50),
        ({"progress": 1}, 1),
        ({"progress": 0}, 0),
        ({"progress": 250}, 100),
        ({"progress": -3}, 0),
        ({"progress": 0.25}, 25),
        ({"progress": 1.0}, 100),
        ({"progress": 33.5}, 33.5),
        ({"progress": "50%"}, 50),
        ({"progress": " 7.5 % "}, 7.5),
        ({"progress": "nearly"}, None),
        ({"progress": None}, None),
        ({"progress": True}, None),
        ({"progress": float("nan")}, None),
        ({"progress": [1]}, None),
        ({"other": 1}, None),
        ("progress", None),
    ],
)
def test_progress(event: Any, percent: float | None) -> None:
    found = progress_of(event)
    assert (None if found is None else found.percent) == percent


def test_label_and_text_of_progress() -> None:
    found = progress_of({"progress": 5, "name": "epoch", "message": "fits"})
    assert found is not None
    assert (found.label, found.text) == ("epoch", "fits")


def test_json_output_has_stable_keys(capsys: pytest.CaptureFixture[str]) -> None:
    output = JsonOutput(subgraphs=True)
    output.show(("sub:1",), "updates", {"n": {"a": (1,)}})
    assert capsys.readouterr().out == '{"mode":"updates","ns":["sub:1"],"data":{"n":{"a":[1]}}}\n'


def test_line_output(capsys: pytest.CaptureFixture[str]) -> None:
    output = LineOutput(subgraphs=True)
    with output:
        output.show(("sub:1", "deep:2"), "updates", {"n": 1})
        for token in ("one", " two"):
            output.show((), "messages", ({"content": token}, {}))
        output.show((), "custom", {"progress": 3})
        output.show((), "messages", ({"content": "end"}, {}))
    assert capsys.readouterr().out == "updates [sub/deep]: {'n': 1}\none two\ncustom: {'progress': 3}\nend\n"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ({"content": "", "tool_calls": [{"name": "f", "args": {"x": 1}}, {"name": "g", "args": {}}]}, 2),
        ({"content": "", "tool_call_chunks": [{"name": "f", "args": ""}]}, 1),
        ({"content": "", "tool_call_chunks": [{"name": None, "args": '{"x"'}], "tool_calls": [{"name": "f"}]}, 0),
        ({"content": "x"}, 0),
        ({"content": "x", "tool_calls": "odd"}, 0),
    ],
)
def test_the_tools_that_a_message_calls_are_shown(
    message: dict[str, Any], shown: int, capsys: pytest.CaptureFixture[str]
) -> None:
    output = LineOutput(subgraphs=False)
    with output:
        output.show((), "messages", (message, {}))
    lines = [line for line in capsys.readouterr().out.splitlines() if "calls " in line]
    assert len(lines) == shown
    if shown == 2:
        assert lines[0] == "messages: calls f({'x': 1})"


def test_what_an_event_says_beside_its_progress_is_shown_too() -> None:
    found = progress_of({"progress": 50, "task": "t", "message": "m", "rows": [1, 2], "node": "n"})
    assert found is not None and found.rest == {"rows": [1, 2], "node": "n"}
    assert (progress_of({"progress": 50, "task": "t"}) or found).rest == {}
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    output = LiveOutput(["custom"], False, console)
    output.show((), "custom", {"progress": 50, "task": "t", "rows": [1, 2]})
    output.show((), "custom", {"progress": 60, "task": "t"})
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("rows") == 1 and "custom" in text


def test_input_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "bin.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "bom.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(f"@{tmp_path}/bom.json", "--input") == {"a": 1}
    for text, told in (
        (f"@{tmp_path}/bin.json", "bin.json is no text in UTF-8"),
        (f"@{tmp_path}", "cannot read"),
        (f"@{tmp_path}/missing", "No such file"),
        ("[" * 100_000, "nested too deeply"),
        ("{'a': 1}", "is not JSON"),
    ):
        with pytest.raises(UsageError, match=told):
            read_json(text, "--input")


def start(task: str, name: str) -> dict[str, Any]:
    return {"id": task, "name": name, "input": {}, "triggers": ()}


def test_the_terminal_shows_bars_and_what_runs() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    output = LiveOutput(["updates", "custom"], subgraphs=False, console=console)

    def below() -> str:
        plain = Console(file=io.StringIO(), width=80, color_system=None)
        plain.print(output._now())
        return plain.file.getvalue()  # type: ignore[attr-defined,no-any-return]

    with output:
        output.show((), "tasks", start("t1", "train"))
        output.show((), "custom", {"progress": 40, "message": "epoch 2"})
        assert "train" in below()
        assert "40%" in below()
        assert "epoch 2" in below()
        output.show(("sub:1",), "updates", {"hidden": 1})
        output.show((), "custom", {"progress": "100%"})
        assert "40%" not in below()
        output.show((), "tasks", {"id": "t1", "name": "train", "error": None, "result": {}, "interrupts": []})
        output.show((), "updates", {"train": {"loss": 0.1}})
        assert "train" not in below()
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "{'train': {'loss': 0.1}}" in printed
    assert "hidden" not in printed
    assert "1 task in" in printed


def test_tasks_are_listened_to_and_printed_only_if_asked_for() -> None:
    assert LiveOutput(["updates"], subgraphs=False).further_modes == ("tasks",)
    assert LiveOutput(["tasks"], subgraphs=False).further_modes == ()


def test_input_from_text_file_and_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.json").write_text('{"a": 1}')
    assert read_json('{"a": 1}', "--input") == {"a": 1}
    assert read_json(f"@{tmp_path}/in.json", "--input") == {"a": 1}
    monkeypatch.setattr("sys.stdin", io.StringIO("[1]"))
    assert read_json("-", "--input") == [1]
    with pytest.raises(UsageError, match=r"--input is not JSON: .*line 1 column 2"):
        read_json("{a: 1}", "--input")
    with pytest.raises(UsageError, match=r"cannot read .*no\.json: No such file"):
        read_json(f"@{tmp_path}/no.json", "--input")


def test_modes() -> None:
    assert read_modes("updates, custom,updates") == ["updates", "custom"]
    with pytest.raises(UsageError, match="unknown stream mode 'update'"):
        read_modes("update")
    with pytest.raises(UsageError, match="names no mode"):
        read_modes(",")
