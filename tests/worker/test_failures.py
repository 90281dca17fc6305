"""User code that raises whatever it likes, wherever it is called: its task fails, with its own words."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pytest
from pydantic import BaseModel, field_validator
from tests.worker.stand import Stand

from drumline_graph.errors import ParentCommand
from drumline_protocol.codec import unbox
from drumline_protocol.messages import TaskError, TaskResult
from drumline_worker.runtime import Runtime


class Hostile(Exception):
    """All that can be asked of it raises."""

    def __str__(self) -> str:
        raise SystemExit(1)

    def __reduce__(self) -> Any:
        raise KeyboardInterrupt

    def add_note(self, _note: str) -> None:
        raise GeneratorExit

    @property
    def __notes__(self) -> Any:  # type: ignore[override]
        raise SystemExit(2)


def bare_parent_command() -> ParentCommand:
    error = ParentCommand.__new__(ParentCommand)
    error.args = ()  # type: ignore[assignment]
    return error


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (lambda: ValueError("wrong"), "ValueError"),
        (lambda: SystemExit(3), "SystemExit"),
        (lambda: KeyboardInterrupt(), "KeyboardInterrupt"),
        (lambda: GeneratorExit(), "GeneratorExit"),
        (lambda: StopIteration(5), "StopIteration"),
        (lambda: MemoryError(), "MemoryError"),
        (Hostile, f"{__name__}.Hostile"),
        (bare_parent_command, "IndexError"),
    ],
)
def test_what_a_node_raises_is_its_answer(error: Any, name: str) -> None:
    def node(_state: Any) -> Any:
        raise error()

    stand = Stand(node)
    stand.give(1)
    stand.give(2)
    answers = stand.work()
    assert [type(answer) for answer in answers] == [TaskError, TaskError]
    assert answers[0].error.class_name == name
    assert "in node" in answers[0].error.traceback or name.endswith("Hostile")
    assert stand.pending == 0


class Strict(BaseModel):
    size: int

    @field_validator("size")
    @classmethod
    def ends(cls, size: int) -> int:
        if size == 13:
            raise SystemExit("from a validator")
        return size


@dataclasses.dataclass
class Plain:
    size: int


@pytest.mark.parametrize("schema", [Strict, Plain])
def test_a_context_becomes_its_schema(schema: Any) -> None:
    def node(_state: Any, runtime: Runtime[Any]) -> Any:
        return {"out": [type(runtime.context).__name__, runtime.context.size]}

    stand = Stand(node, context_schema=schema)
    stand.give(1, context={"size": 2})
    [answer] = stand.work()
    assert isinstance(answer, TaskResult)
    assert dict(unbox(answer.writes))["out"] == [schema.__name__, 2]


@pytest.mark.parametrize(
    ("schema", "context", "told"),
    [
        (Strict, {"size": "many"}, "size"),
        (Strict, {"size": 13}, "from a validator"),
        (Plain, {"length": 1}, "length"),
        (Plain, {}, "size"),
    ],
)
def test_a_context_that_does_not_fit_fails_its_task_only(schema: Any, context: Any, told: str) -> None:
    stand = Stand(context_schema=schema)
    stand.give(1, context=context)
    stand.give(2, run="good", context={"size": 1})
    bad, good = stand.work()
    assert isinstance(bad, TaskError) and told in bad.error.message
    assert bad.error.traceback
    assert isinstance(good, TaskResult)


def test_a_large_context_is_cheap_to_have_again() -> None:
    made = []

    def reads_context(_state: Any, runtime: Runtime[Any]) -> Any:
        return {"out": len(runtime.context.data)}

    class Counted(BaseModel):
        data: list[int]

        def model_post_init(self, _context: Any) -> None:
            made.append(1)

    stand = Stand(reads_context, context_schema=Counted)
    for n in range(3):
        stand.give(n, context={"data": list(range(100_000))})
    assert all(isinstance(answer, TaskResult) for answer in stand.work())
    assert len(made) == 1


def test_an_encoder_that_ends_the_process_fails_its_task() -> None:
    from drumline_protocol.codec_types import register

    class Thing: ...

    def to_fields(_thing: Thing) -> Any:
        raise SystemExit("from an encoder")

    register(Thing, to_fields=to_fields, from_fields=lambda _fields: Thing())
    stand = Stand(lambda _state: {"out": Thing()})
    stand.give(1)
    [answer] = stand.work()
    assert isinstance(answer, TaskError)


def test_a_failed_node_is_logged_once_with_all_that_finds_it(caplog: Any) -> None:
    def node(_state: Any) -> Any:
        raise ValueError("first line\nsecond line")

    stand = Stand(node)
    stand.give(1, run="run-7", attempt=3)
    with caplog.at_level(logging.DEBUG, "drumline"):
        stand.work()
    warning, debug = (record for record in caplog.records if record.name == "drumline.worker")
    assert warning.levelname == "WARNING"
    for word in ("run-7", "'node'", "attempt 3", "worker w", "ValueError: first line | second line"):
        assert word in warning.getMessage()
    assert debug.levelname == "DEBUG" and "Traceback" in debug.getMessage()
