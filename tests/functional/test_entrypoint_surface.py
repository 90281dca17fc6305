"""What can be seen of an entrypoint, and done to its thread from outside, is as in LangGraph."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.threads.scripts import Thread
from typing_extensions import TypedDict

IN = {"a": 1}


class Form(BaseModel):
    name: str = "n"


class Fields(TypedDict):
    count: int


@dataclasses.dataclass
class Record:
    text: str


TYPES = [
    *(list[int], dict, Any, object, str, int | None, Literal["a", "b"], list[Form], dict[str, Fields]),
    *(Form, Fields, Record, Form | Record),
]


def typed(e: Any, takes: Any, gives: Any) -> Any:
    def entry(given: Any) -> Any:
        return given

    entry.__annotations__ = {"given": takes, "return": gives}
    return e.entrypoint()(entry)


def schemas(graph: Any) -> list[Any]:
    models = graph.get_input_schema(), graph.get_output_schema()
    told = [graph.get_input_jsonschema(), graph.get_output_jsonschema(), graph.get_context_jsonschema()]
    return [*told, *(model.model_json_schema() for model in models), *(model.__name__ for model in models)]


@pytest.mark.parametrize("typ", TYPES, ids=repr)
def test_schemas(typ: Any) -> None:
    assert schemas(typed(DRUMLINE, typ, typ)) == schemas(typed(LANGGRAPH, typ, typ))


@pytest.mark.parametrize("saved", [False, True])
def test_schemas_of_what_is_saved_apart(saved: bool) -> None:
    def told(e: Any) -> list[Any]:
        final = e.entrypoint.final
        return schemas(typed(e, int, final[str, int] if saved else final))

    assert told(DRUMLINE) == told(LANGGRAPH)


def test_schemas_without_annotations() -> None:
    def told(e: Any) -> list[Any]:
        @e.entrypoint()
        def entry(given):  # type: ignore[no-untyped-def]
            return given

        return schemas(entry)

    assert told(DRUMLINE) == told(LANGGRAPH)


def remembering(e: Any) -> Any:
    @e.task
    def note(text: str) -> str:
        return text

    @e.entrypoint(checkpointer=e.InMemorySaver())
    def entry(given: Any, *, previous: Any = None) -> Any:
        answer = e.interrupt("well?") if given == "ask" else note("no question").result()
        return e.entrypoint.final(value=[answer, previous], save={"before": previous, "given": given})

    return entry


def updates(t: Thread) -> None:
    t.update({"set": 1})
    t.everything()
    t.run(IN)
    t.update({"set": 2}, "entry")
    t.everything()
    t.run(IN)
    t.update(t.e.entrypoint.final(value="shown", save="saved"))
    t.everything()
    t.run(IN)
    t.update({"set": 3}, "__start__")
    t.update({"set": 3}, "note")
    t.update(None)
    t.everything()
    t.run("ask")
    t.update("set")
    t.everything()
    t.run("ask")
    t.run(t.e.Command(resume="yes"))
    t.update({"set": 5}, None, t.at(2))
    t.everything()


@pytest.mark.parametrize("is_async", [False, True])
def test_updates_from_outside(is_async: bool) -> None:
    told = []
    for engine in (LANGGRAPH, DRUMLINE):
        thread = Thread(engine, remembering(engine), is_async=is_async)
        updates(thread)
        told.append([line.replace("entrypoint.final(", "Final(") for line in thread.lines])
    assert told[1] == told[0]
    assert len(told[0]) > 30
