"""Graphs whose models give structured answers: an object in `additional_kwargs["parsed"]` of each answer's message."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from typing_extensions import TypedDict

from .openai_server import tokens_of

QUESTION = '!json {"city": "Lisbon", "degrees": 20}'
TOKENS = tokens_of(QUESTION.removeprefix("!json "))


def make_answer() -> type[BaseModel]:
    """A class that no schema of a graph names."""

    class Weather(BaseModel):
        city: str
        degrees: int

    return Weather


Weather = make_answer()


class Told(BaseModel):
    city: str
    degrees: int


class Asked(TypedDict, total=False):
    messages: list[Any]
    text: str


class Known(TypedDict, total=False):
    messages: list[Any]
    answer: Told
    text: str


def structured(e: Any, *, known: bool, returns: bool, method: str = "json_schema", use_async: bool = False) -> Any:
    """One node that asks, one that looks. `known`: the state's schema names the answer's class. `returns`: the message
    with the object inside goes into the state."""
    from langchain_openai import ChatOpenAI

    schema = Told if known else Weather

    def finish(found: Any) -> Any:
        said = {"text": repr(found["parsed"])}
        return {**said, "messages": [found["raw"]]} if returns else said

    def asking() -> Any:
        model = ChatOpenAI(model="gpt-4o-mini", temperature=0)
        return model.with_structured_output(schema, method=method, include_raw=True)  # type: ignore[arg-type]

    def ask(_: Any) -> Any:
        return finish(asking().invoke(QUESTION))

    async def aask(_: Any) -> Any:
        return finish(await asking().ainvoke(QUESTION))

    def look(state: Any) -> Any:
        messages = state.get("messages") or []
        kinds = [type(message.additional_kwargs.get("parsed")).__name__ for message in messages]
        return {"text": f"{state['text']} {kinds}"}

    builder = e.StateGraph(Known if known else Asked)
    builder.add_node("ask", aask if use_async else ask)
    builder.add_node("look", look)
    builder.add_edge(e.START, "ask")
    builder.add_edge("ask", "look")
    return builder.compile()
