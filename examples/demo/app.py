"""The graph that `make demo` runs: a newsroom writes a report.

    plan ──▶ research (one task per section: Send) ──▶ edit (a subgraph: check ──▶ polish) ──▶ publish
                          └─ side by side on any worker ─┘

Every node tells by a custom event who runs it, so that the stream itself shows the work moving between processes.
"""

from __future__ import annotations

import operator
import os
import time
from typing import Annotated, Any

from typing_extensions import TypedDict

from drumline import messages
from drumline.config import get_stream_writer
from drumline.graph import END, START, StateGraph, add_messages
from drumline.types import Send, StreamWriter

#: stands for what a real node would wait for: a model, a search, a file
PAUSE_S = 0.05

TEXTS = {
    "tides": "The moon pulls and the harbour answers twice a day",
    "bridges": "A good bridge is a promise kept in both directions",
    "bread": "Flour water salt and one night of patience",
    "radio": "Someone far away is speaking and the kitchen listens",
}


class Report(TypedDict, total=False):
    """The state. `sections` and `messages` have reducers: many tasks may write them in one superstep."""

    title: str
    topics: list[str]
    sections: Annotated[list[str], operator.add]
    text: str
    messages: Annotated[list[Any], add_messages]


class Draft(TypedDict, total=False):
    """The state of the subgraph `edit`: it reads the sections and gives back only the text."""

    sections: list[str]
    text: str


class Edited(TypedDict, total=False):
    """What `edit` gives back. Were `sections` in it, the parent's reducer would add them a second time."""

    text: str


class Section(TypedDict):
    """What one `research` task gets, from its Send."""

    topic: str


def runs_here(node: str, **more: Any) -> None:
    """One custom event that says which process runs this node."""
    get_stream_writer()({"node": node, "pid": os.getpid(), **more})


def plan(state: Report) -> Report:
    runs_here("plan")
    return {"title": f"On {' and '.join(state['topics'])}"}


def one_task_per_topic(state: Report) -> list[Send]:
    """The router after `plan`: as many research tasks as there are topics."""
    return [Send("research", {"topic": topic}) for topic in state["topics"]]


def research(state: Section, writer: StreamWriter) -> Report:
    """Long work: tokens as they come, and progress for a bar."""
    topic = state["topic"]
    runs_here("research", topic=topic)
    words = TEXTS.get(topic, f"Nobody knows much about {topic} yet").split()
    for number, word in enumerate(words, 1):
        time.sleep(PAUSE_S)
        writer({"token": word, "topic": topic})
        writer({"progress": 100 * number // len(words), "task": f"research {topic}"})
    return {"sections": [f"{topic}: {' '.join(words)}."]}


async def check(state: Draft) -> Draft:
    """First node of the subgraph `edit`; async nodes run on the worker's event loop."""
    runs_here("edit/check")
    assert all(section.endswith(".") for section in state["sections"])
    return {}


def polish(state: Draft) -> Draft:
    runs_here("edit/polish")
    return {"text": "\n".join(f"  * {section}" for section in state["sections"])}


def publish(state: Report) -> Report:
    """Its tokens show in the stream mode `messages`, as those of a model would."""
    runs_here("publish")
    out = messages.start()
    for word in f"{state['title']}: {len(state['sections'])} sections".split():
        out.write(f"{word} ")
    return {"messages": [out.message()]}


edit = (
    StateGraph(Draft, output_schema=Edited).add_sequence([check, polish]).add_edge(START, "check").compile(name="edit")
)

graph = (
    StateGraph(Report)
    .add_node("plan", plan)
    .add_node("research", research)
    .add_node("edit", edit)
    .add_node("publish", publish)
    .add_edge(START, "plan")
    .add_conditional_edges("plan", one_task_per_topic, ["research"])
    .add_edge("research", "edit")
    .add_edge("edit", "publish")
    .add_edge("publish", END)
    .compile(name="report")
)
