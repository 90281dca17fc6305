"""`drumline up` in the folder of a LangGraph app, as it is: its `langgraph.json` names the graphs."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.command import Started, drumline

APP = """
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

class State(TypedDict, total=False):
    topic: str
    joke: str

def tell(state: State) -> State:
    get_stream_writer()({"progress": "50%"})
    return {"joke": f"about {state['topic']}"}

graph = StateGraph(State).add_node("tell", tell).add_edge(START, "tell").compile()

@task
def double(number: int) -> int:
    return 2 * number

@entrypoint()
def flow(number: int) -> int:
    return double(number).result()
"""
NAMES = {"graphs": {"joke": "./agent.py:graph", "flow": {"path": "./agent.py:flow"}}, "dependencies": ["."]}


def test_up_serves_the_graphs_of_langgraph_json(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(APP, encoding="utf-8")
    (tmp_path / "langgraph.json").write_text(json.dumps(NAMES), encoding="utf-8")
    up = Started("up", "--workers", "1", "--drain-s", "0", cwd=tmp_path)
    try:
        up.await_line("all ready")
        done = drumline(
            "run", "joke", "--input", '{"topic": "cats"}', "--stream", "custom,updates", "--json", cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert [json.loads(line) for line in done.stdout.splitlines()] == [
            {"mode": "custom", "ns": [], "data": {"progress": "50%"}},
            {"mode": "updates", "ns": [], "data": {"tell": {"joke": "about cats"}}},
        ]
        done = drumline("run", "flow", "--input", "21", "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert [json.loads(line)["data"] for line in done.stdout.splitlines()] == [{"double": 42}, {"flow": 42}]
    finally:
        up.close()
