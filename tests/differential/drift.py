"""drumline's streams are those of LangGraph 1.2.22. What its elders do otherwise, as far as tests meet it.

`make test-oldest` compares with the oldest LangGraph that the adapter takes: fields that it does not have are left out
of both streams, and tests of behaviour that it does not have are skipped by name.
"""

from importlib.metadata import version
from typing import Any

INSTALLED = version("langgraph")
IS_ELDER = tuple(int(part) for part in INSTALLED.split(".")[:3] if part.isdigit()) < (1, 2, 22)

#: pattern of names of tests -> what differs
BEHAVIOUR = {
    r"test_node_result.*overwrite with type": "a dict that stands for an Overwrite is a TypeError",
    r"test_config_seen_by_nodes": "tags double in nested graphs",
    r"test_models_in_called_graphs\[.*thread-False": "tokens of a graph called as another thread are shown unasked",
    r"test_push_message_in_subgraphs": "a pushed message of a subgraph has other metadata",
    r"test_tasks_metadata": "starts of tasks have no metadata",
    r"test_(ways_out|what_nodes_return|an_input|messages_in_a_send).*delta": "delta channels name no messages",
    r"test_a_message_in_a_delta_channel": "delta channels name no messages",
    r"test_state_of_calls.*bare call.*pydantic": "a call that a Send brings is given the state as a dict",
}


def shared(mode: str, payload: Any) -> Any:
    """The payload without the fields that an older LangGraph's has not."""
    if not IS_ELDER or not isinstance(payload, dict):
        return payload
    if mode == "debug":
        return {**payload, "payload": shared("tasks", payload["payload"])}
    if mode != "tasks":
        return payload
    kept = {key: value for key, value in payload.items() if key != "metadata"}
    if "interrupts" in kept:
        kept["interrupts"] = [
            {key: value for key, value in interrupt.items() if key != "response_schema"}
            for interrupt in kept["interrupts"]
        ]
    return kept
