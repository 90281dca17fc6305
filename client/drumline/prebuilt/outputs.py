"""From what tools return to what a tool node returns."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Literal, cast

from langchain_core.messages import RemoveMessage, ToolCall, ToolMessage, convert_to_messages
from langchain_core.tools.base import TOOL_MESSAGE_BLOCK_TYPES

from drumline_graph.message import REMOVE_ALL_MESSAGES
from drumline_graph.types import Command, Send

#: how a tool node was called: with a list of messages, with a state, or with tool calls
Kind = Literal["list", "dict", "tool_calls"]
Output = ToolMessage | Command[Any]


def msg_content_output(output: Any) -> str | list[Any]:
    """A tool's output as content of a ToolMessage: text and content blocks stay, all else becomes JSON, or its str."""
    if isinstance(output, str):
        return output
    if isinstance(output, list) and all(
        isinstance(block, dict) and block.get("type") in TOOL_MESSAGE_BLOCK_TYPES for block in output
    ):
        return output
    try:
        return json.dumps(output, ensure_ascii=False)
    except Exception:  # whatever the object's own code raises: its str is always there
        return str(output)


def normalized(response: Any, call: ToolCall, kind: Kind, messages_key: str) -> Output | list[Output]:
    """The response of a tool, checked.

    Raises TypeError for something else than a ToolMessage, a Command or a list of these, and ValueError if there is not
    exactly one ToolMessage that answers the call, or if a Command's update does not fit `kind`.
    """
    if isinstance(response, Command):
        return _checked(response, call, kind, messages_key, must_answer=response.graph is None)
    if isinstance(response, ToolMessage):
        response.content = msg_content_output(response.content)
        return response
    if not isinstance(response, list) or not all(isinstance(item, (Command, ToolMessage)) for item in response):
        raise TypeError(
            f"Tool {call['name']!r} gave {type(response).__name__} where a ToolMessage, a Command or a list of these "
            "was expected."
        )
    _check_answers(response, call, messages_key)
    return [
        _checked(item, call, kind, messages_key, must_answer=False)
        if isinstance(item, Command)
        else normalized(item, call, kind, messages_key)  # type: ignore[misc]
        for item in response
    ]


def _answers(message: Any, call: ToolCall) -> bool:
    return isinstance(message, ToolMessage) and message.tool_call_id == call["id"]


def _check_answers(response: list[Any], call: ToolCall, messages_key: str) -> None:
    messages: list[Any] = []
    for item in response:
        if isinstance(item, ToolMessage):
            messages.append(item)
        elif isinstance(item.update, dict):
            messages.extend(item.update.get(messages_key, []))
    count = sum(_answers(message, call) for message in messages)
    if count != 1:
        raise ValueError(
            f"Tool {call['name']!r} returned a list with {count} ToolMessages that answer call {call['id']!r}; give "
            "exactly one."
        )


def _checked(
    command: Command[Any], call: ToolCall, kind: Kind, messages_key: str, *, must_answer: bool
) -> Command[Any]:
    """The command, with the tool's name on the message that answers the call."""
    update = command.update
    if not isinstance(update, (dict, list)):
        return command
    if isinstance(update, list) != (kind == "list"):
        wanted = "a list of messages" if kind == "list" else f"a dict with {messages_key!r}"
        raise ValueError(
            f"Tool {call['name']!r} returned a Command with update {update!r}, but the tool node was called with "
            f"{'a list of messages' if kind == 'list' else 'a state'}: give {wanted}."
        )
    given = update if isinstance(update, list) else update.get(messages_key, [])
    given = given if isinstance(given, list) else [given]
    messages = convert_to_messages(given)
    if messages == [RemoveMessage(id=REMOVE_ALL_MESSAGES)]:
        return command
    if must_answer and not any(_answers(message, call) for message in messages):
        raise ValueError(
            f"Tool {call['name']!r} returned a Command without a ToolMessage that answers the call. The model must "
            f"find one: put ToolMessage(..., tool_call_id={call['id']!r}) into the update's messages "
            "(InjectedToolCallId gives a tool the id)."
        )
    named = [item.model_copy(update={"name": call["name"]}) if _answers(item, call) else item for item in given]
    if isinstance(update, list):
        return replace(command, update=named)
    return replace(command, update={**update, messages_key: named}) if messages_key in update else command


def combined(outputs: list[Output | list[Output]], kind: Kind, messages_key: str) -> Any:
    """What the node returns: all messages together, or, if there are Commands among them, a list in order of calls.

    Commands that only send tasks to the parent graph become one, at the end: a node can leave for its parent once.
    """
    flat = [item for output in outputs for item in (output if isinstance(output, list) else [output])]
    if not any(isinstance(item, Command) for item in flat):
        return flat if kind == "list" else {messages_key: flat}
    result: list[Any] = []
    leaving: list[Command[Any]] = []
    for item in flat:
        if not isinstance(item, Command):
            result.append([item] if kind == "list" else {messages_key: [item]})
        elif _sends_to_parent(item):
            leaving.append(item)
        else:
            result.append(item)
    if len(leaving) == 1:
        result.append(leaving[0])
    elif leaving:
        sends = [send for command in leaving for send in cast("list[Send]", command.goto)]
        result.append(Command(graph=Command.PARENT, update=_joined_updates(leaving), goto=sends))
    return result


def _sends_to_parent(command: Command[Any]) -> bool:
    goto = command.goto
    return (
        command.graph == Command.PARENT
        and isinstance(goto, list)
        and all(isinstance(target, Send) for target in goto)
        and (command.update is None or isinstance(command.update, dict))
    )


def _joined_updates(commands: list[Command[Any]]) -> list[tuple[str, Any]] | None:
    """The updates of all commands as pairs, in which a key may stand more than once."""
    pairs = [pair for command in commands for pair in (command.update or {}).items()]
    return pairs or None
