"""trustcall: an extractor that corrects its mistake by a patch, and updates of what is known. It is called by nodes."""

import operator
from typing import Annotated, Any

from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field, field_validator
from tests.field.script import call
from trustcall import create_extractor
from typing_extensions import TypedDict


class Address(BaseModel):
    street: str
    city: str


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int = Field(description="In years.")
    address: Address
    pets: list[str] = Field(default_factory=list)

    @field_validator("age")
    @classmethod
    def is_age(cls, value: int) -> int:
        """People are at most 130."""
        if value > 130:
            raise ValueError("nobody is that old")
        return value


class Known(TypedDict, total=False):
    text: str
    people: Annotated[list[Person], operator.add]


def extractor(e: Any) -> Any:
    """The first answer does not fit; the model is asked for a patch. The extractor is a graph that a node calls."""
    bound = create_extractor(ChatOpenAI(model="extractor"), tools=[Person], tool_choice="Person")

    def extract(state: Known) -> Any:
        return {"people": bound.invoke({"messages": [("user", state["text"])]})["responses"]}

    builder = e.StateGraph(Known).add_node("extract", extract).add_edge(e.START, "extract")
    return builder.compile(name="extractor")


def extractor_update(e: Any) -> Any:
    """What is known is updated by a patch, and somebody new is inserted."""
    bound = create_extractor(ChatOpenAI(model="updater"), tools=[Person], enable_inserts=True)

    async def update(state: Known) -> Any:
        known = [(str(number), "Person", person.model_dump()) for number, person in enumerate(state["people"])]
        found = await bound.ainvoke({"messages": [("user", state["text"])], "existing": known})
        return {"people": e.Overwrite(found["responses"])}

    builder = e.StateGraph(Known).add_node("update", update).add_edge(e.START, "update")
    return builder.compile(name="extractor_update")


_ADA: dict[str, Any] = {"name": "Ada", "age": 36, "address": {"street": "Main St", "city": "London"}, "pets": ["Puff"]}
_TEXT = "Ada, 36, lives with Puff in Main St, London"
GIVEN = {
    "extractor": {"text": _TEXT},
    "extractor_update": {"text": "Ada moved to Paris; Bob is new", "people": [Person(**_ADA)]},
}
_PATCH = {
    "json_doc_id": "call_0",
    "planned_edits": "set the age",
    "patches": [{"op": "replace", "path": "/age", "value": 36}],
}
_MOVE = {
    "json_doc_id": "0",
    "planned_edits": "set the city",
    "patches": [{"op": "replace", "path": "/address/city", "value": "Paris"}],
}
_BOB = {"name": "Bob", "age": 20, "address": {"street": "High St", "city": "Paris"}}


SCRIPTS = {
    "extractor": [
        (r"nobody is that old", call(("PatchFunctionErrors", _PATCH))),
        (r"Ada, 36", call(("Person", {**_ADA, "age": 360}))),
    ],
    "updater": [(r"Ada moved", call(("PatchDoc", _MOVE), ("Person", _BOB)))],
}
