"""What callback handlers hear of an entrypoint and its tasks is what they hear of LangGraph's."""

from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from tests.differential.engines import DRUMLINE, LANGGRAPH


class Heard(BaseCallbackHandler):
    """The tree of runs, by names."""

    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self.told: list[Any] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **rest: Any) -> None:
        del serialized
        self.names[rest["run_id"]] = rest["name"]
        self.told.append(("start", rest["name"], inputs, self.names.get(rest["parent_run_id"])))

    def on_chain_end(self, outputs: Any, **rest: Any) -> None:
        self.told.append(("end", self.names[rest["run_id"]], outputs))

    def on_chain_error(self, error: BaseException, **rest: Any) -> None:
        self.told.append(("error", self.names[rest["run_id"]], repr(error)))


def heard(e: Any, x: int) -> list[Any]:
    @e.task
    def add(a: int, b: int = 1) -> int:
        return a + b

    @e.task
    def around(a: int) -> int:
        if a > 1:
            raise ValueError("too much")
        return add(a, b=5).result()

    @e.entrypoint()
    def entry(x: int) -> int:
        return around(x).result()

    handler = Heard()
    try:
        entry.invoke(x, {"callbacks": [handler]})
    except ValueError:
        assert x > 1
    return handler.told


@pytest.mark.parametrize("x", [1, 2])
def test_trees_are_equal(x: int) -> None:
    theirs = heard(LANGGRAPH, x)
    assert heard(DRUMLINE, x) == theirs
    assert len(theirs) > 4
