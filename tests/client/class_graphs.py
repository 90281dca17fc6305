"""Graphs whose states, errors and names have classes: run by LangGraph, embedded, strict and on a cluster."""

from __future__ import annotations

import enum
import operator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from langgraph import types as their_types
from langgraph.errors import GraphRecursionError
from langgraph.func import entrypoint, task
from langgraph.graph import StateGraph as LangStateGraph
from pydantic import BaseModel, Field
from tests.graph import typed_docs, typed_models
from typing_extensions import TypeAliasType, TypedDict

from drumline import types as our_types
from drumline.graph import START


class Declined(Exception):
    """Keeps more than it passes on."""

    def __init__(self, code: int, *, body: Any = None) -> None:
        super().__init__(f"declined with {code}")
        self.code = code
        self.body = body


class Level(str, enum.Enum):
    """Names of nodes."""

    FIRST = "first"
    SECOND = "second"
    LAST = "last"


class Plain(enum.Enum):
    """Names of nodes that are no texts themselves."""

    FIRST = "first"
    SECOND = "second"
    LAST = "last"


class Shape(BaseModel):
    kind: str


class Circle(Shape):
    kind: Literal["circle"] = "circle"
    radius: int = 1


class Square(Shape):
    kind: Literal["square"] = "square"
    side: int = 2


@dataclass
class Job:
    """Named by the annotation of a node alone."""

    number: int


Flat = TypeAliasType("Flat", "Circle | Square")


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    flat: Flat
    shape: Shape
    tagged: Annotated[Circle | Square, Field(discriminator="kind")]
    any: Any


def twin(label: str, engine: Any) -> Any:
    """A graph with classes of its own: those of any other call have the same names, and the same fields."""

    @dataclass
    class Item:
        x: int
        parts: list[Any] = field(default_factory=list)

        @property
        def shown(self) -> str:
            return f"{label} {self.x}"

    class Shelf(TypedDict, total=False):
        item: Item
        big: Item
        log: Annotated[list[Any], operator.add]

    Shelf.__annotations__ = {"item": Item, "big": Item, "log": Annotated[list[Any], operator.add]}

    def fill(state: Any) -> Any:
        return {"item": Item(state["item"].x + 1), "big": Item(0, ["x" * 100_000]), "log": [state["item"].shown]}

    def check(state: Any) -> Any:
        return {"log": [state["item"].shown, state["big"].shown, type(state["item"]) is Item]}

    def sent(item: Any) -> Any:
        return {"log": [item.shown, type(item) is Item]}

    def router(state: Any) -> Any:
        return [our_types.Send("sent", state["item"]), our_types.Send("sent", Item(99))]

    if engine is LangStateGraph:

        def router(state: Any) -> Any:
            return [their_types.Send("sent", state["item"]), their_types.Send("sent", Item(99))]

    graph = engine(Shelf).add_sequence([("fill", fill), ("check", check)]).add_node("sent", sent)
    graph.add_edge(START, "fill").add_conditional_edges("check", router, ["sent"])
    compiled = graph.compile(name=f"twin_{label}")
    compiled.item = Item
    return compiled


def shapes(engine: Any) -> Any:
    def draw(_: State) -> Any:
        return {"flat": Square(side=3), "shape": Circle(radius=4), "tagged": Circle(), "log": ["drawn"]}

    def look(state: State) -> Any:
        return {"log": [type(state[key]).__name__ for key in ("flat", "shape", "tagged")]}  # type: ignore[literal-required]

    graph = engine(State).add_sequence([("draw", draw), ("look", look)])
    return graph.add_edge(START, "draw").compile(name="shapes")


def documents(engine: Any) -> Any:
    def write(_: Any) -> Any:
        author = typed_models.Author("me", ["a"])
        review = typed_models.Review(stars=3, by=author)
        return {"doc": typed_docs.Doc("t", typed_docs.Cover(), author, [review], review)}

    def read(state: Any) -> Any:
        doc = state["doc"]
        return {"log": [doc.author.name, doc.reviews[0].by.tags, doc.other.stars, doc.cover.colour]}

    graph = engine(typed_docs.State).add_sequence([("write", write), ("read", read)])
    return graph.add_edge(START, "write").compile(name="documents")


def jobs(engine: Any, send: Any) -> Any:
    def work(job: list[Job]) -> Any:
        return {"log": [each.number for each in job]}

    graph = engine(State).add_node("split", lambda _state: {"log": ["split"]}).add_node("work", work)
    graph.add_edge(START, "split")
    graph.add_conditional_edges("split", lambda _state: [send("work", [Job(1), Job(2)])], ["work"])
    return graph.compile(name="jobs")


def carried(engine: Any, send: Any, command: Any) -> Any:
    """Sends and Commands that nodes only carry: as the argument of a Send, and inside of a value."""

    def start(_: State) -> Any:
        inner = command(update={"log": ["from the inside"]}, goto=[send("last", {"log": [command(goto="x")]})])
        return command(update={"any": [inner, {"deep": send("x", inner)}]}, goto=send("unpack", inner))

    def unpack(given: Any) -> Any:
        assert type(given) is command
        assert type(given.goto[0]) is send
        return given

    def last(given: Any) -> Any:
        return {"log": [type(given["log"][0]) is command]}

    graph = engine(State).add_node("start", start).add_node("unpack", unpack).add_node("last", last)
    return graph.add_edge(START, "start").compile(name="carried")


def named_by(names: Any, engine: Any, send: Any, command: Any) -> Any:
    """Names of nodes as members of an Enum: of nodes, edges, joins, routers, gotos, Sends."""

    def says(text: str) -> Any:
        return lambda _state: {"log": [text]}

    def inner() -> Any:
        graph = engine(State).add_node("leaves", lambda _state: command(graph=command.PARENT, goto=names.LAST))
        return graph.add_edge(START, "leaves").compile()

    graph = engine(State).add_node(names.FIRST, says("first")).add_node(names.LAST, says("last"))
    graph.add_node(names.SECOND, lambda _state: command(update={"log": ["second"]}, goto=[names.LAST, "inner"]))
    graph.add_node("inner", inner()).add_node("joined", says("joined")).add_edge(START, names.FIRST)
    graph.add_conditional_edges(names.FIRST, lambda _state: [names.SECOND, send(names.LAST, {})])
    graph.add_edge([names.FIRST], "joined")
    return graph.compile(name=names.__name__)


class Strict(BaseModel):
    number: int


def fails(how: str) -> Any:
    """What a node raises, by name."""
    if how == "declined":
        raise Declined(402, body={"why": [("no", "funds")]})
    if how == "cause":
        try:
            raise Declined(1)
        except Declined as error:
            raise LookupError("outer") from error
    if how == "validation":
        Strict(number="x")  # type: ignore[arg-type]
    if how == "missing":
        Path("/nowhere/at/all").read_bytes()
    if how == "recursion":
        loop = LangStateGraph(State).add_node("n", lambda _state: None).add_edge(START, "n").add_edge("n", "n")
        loop.compile().invoke({"log": []}, {"recursion_limit": 3})
    return how


def failing(engine: Any) -> Any:
    def node(state: State) -> Any:
        return {"log": [fails(state["any"])]}

    return engine(State).add_node("node", node).add_edge(START, "node").compile(name="failing")


@task
def attempt(how: str) -> Job:
    fails(how)
    return Job(3)


@entrypoint()
def functional(given: Job | str) -> Any:
    """A functional graph of LangGraph."""
    if isinstance(given, str):
        return attempt(given).result()
    return [given, attempt("").result()]


#: what a caller catches
CAUGHT = {
    "declined": Declined,
    "cause": LookupError,
    "validation": pydantic.ValidationError,
    "missing": FileNotFoundError,
    "recursion": GraphRecursionError,
}
