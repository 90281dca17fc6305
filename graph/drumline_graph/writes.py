"""What a node, a router or a caller gave, as writes: (channel, value) pairs.

Writes are decided where the code ran and merged elsewhere, so everything that can be wrong with a result is found here,
with the node's name in the text. Unlike LangGraph, which only logs a warning, a goto or a Send to an unknown node
raises InvalidUpdateError: work is never lost silently.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from drumline_graph.callables import plain_name
from drumline_graph.constants import BRANCH_PREFIX, END, ROOT, START, TASKS
from drumline_graph.errors import (
    EmptyInputError,
    ErrorCode,
    InvalidUpdateError,
    ParentCommand,
    RouteError,
    RouteMapError,
    UnknownInterruptError,
    coded,
)
from drumline_graph.program import Branch, Node, Program
from drumline_graph.schema import field_hints, instance_items
from drumline_graph.types import Command, Send

Write = tuple[str, Any]

TEXT_LIMIT_CHARS = 200
"""How much of a wrong value's repr an error text shows."""


def result_writes(program: Program, node: Node, result: Any) -> list[Write]:
    """Writes of a node that returned `result`: state keys, then gotos and Sends, then its plain edges.

    Taken: a dict (unknown keys are dropped), None, a schema instance, `Command`, `Send`, or a list holding at least one
    Command. In an unkeyed graph every other value is the new root value.

    Raises ParentCommand for `Command(graph=Command.PARENT)`, InvalidUpdateError for anything else.
    """
    if type(result) is dict and not program.is_root:
        known = program.state_keys
        writes = [(key, value) for key, value in result.items() if key in known]
    elif result is None:
        writes = []
    else:
        writes = _result_writes(program, node, result)
    if node.edges:
        writes.extend(node.edges)
    return writes


def _result_writes(program: Program, node: Node, result: Any) -> list[Write]:
    commands = _commands_in(result)
    leaving = [command for command in commands if command.graph == Command.PARENT]
    if leaving:
        raise ParentCommand(_with_plain_names(joined(leaving)))
    writes: list[Write] = []
    if isinstance(result, Send):
        _send_write(program, result, node.name, writes)
        return writes
    if not commands:
        return _update_writes(program, node.name, result)
    items = [result] if isinstance(result, Command) else result
    for item in items:
        if isinstance(item, Command):
            writes.extend(_command_update(program, node.name, item))
        elif isinstance(item, Send):
            raise InvalidUpdateError(
                f"Node {node.name!r} returned a Send in a list with Commands. Put it into one of them: "
                "Command(goto=[Send(...)])."
            )
        elif isinstance(item, (list, tuple)) and _commands_in(item):
            writes.extend(_nested_updates(program, node, item))
        elif item is not None:
            writes.extend(_update_writes(program, node.name, item))
    for command in commands:
        _goto_writes(program, node.name, command.goto, writes)
    return writes


def _nested_updates(program: Program, node: Node, items: Sequence[Any]) -> list[Write]:
    """Updates of Commands in a list inside a list. Their gotos count nowhere, as in LangGraph: that would go unseen."""
    writes: list[Write] = []
    for item in items:
        if isinstance(item, Command):
            if item.goto not in ((), []):
                raise InvalidUpdateError(
                    f"Node {node.name!r} returned Command(goto={item.goto!r}) in a list inside a list. Put it into the "
                    "outer list."
                )
            writes.extend(_command_update(program, node.name, item))
        elif isinstance(item, (list, tuple)) and _commands_in(item):
            writes.extend(_nested_updates(program, node, item))
        elif item is not None:
            writes.extend(_update_writes(program, node.name, item))
    return writes


def joined(commands: Sequence[Command[Any]]) -> Command[Any]:
    """Commands for one graph as one: all updates and all gotos, in order. LangGraph follows the first alone."""
    if len(commands) == 1:
        return commands[0]
    pairs: list[Write] = []
    goto: list[Any] = []
    for command in commands:
        pairs.extend(_pairs(command.update))
        goto.extend(command.goto if isinstance(command.goto, (list, tuple)) else [command.goto])
    return Command(graph=commands[0].graph, update=pairs or None, goto=goto)


def _pairs(update: Any) -> list[Write]:
    """An update as pairs of key and value; what has no keys is the value of a state that is one value."""
    if update is None:
        return []
    if isinstance(update, dict):
        return list(update.items())
    if isinstance(update, (list, tuple)) and all(isinstance(item, (list, tuple)) and len(item) == 2 for item in update):
        return [(key, value) for key, value in update]
    items = instance_items(update, frozenset(field_hints(type(update))))
    return [(ROOT, update)] if items is None else items


def _commands_in(result: Any) -> list[Command[Any]]:
    if isinstance(result, Command):
        return [result]
    if isinstance(result, (list, tuple)):
        return [item for item in result if isinstance(item, Command)]
    return []


def _update_writes(program: Program, node: str, update: Any) -> list[Write]:
    if program.is_root:
        return [(ROOT, update)]
    known = program.state_keys
    if isinstance(update, dict):
        return [(key, value) for key, value in update.items() if key in known]
    items = instance_items(update, known)
    if items is None:
        raise _not_an_update(f"Node {node!r} returned", update)
    return items


def _not_an_update(what: str, value: Any) -> InvalidUpdateError:
    text = repr(value)
    if len(text) > TEXT_LIMIT_CHARS:
        text = text[:TEXT_LIMIT_CHARS] + "..."
    return InvalidUpdateError(
        coded(
            f"Expected dict, got {text}. {what} a {type(value).__name__}; give a dict of state keys, an instance of "
            "the state schema, a Command, or None.",
            ErrorCode.INVALID_GRAPH_NODE_RETURN_VALUE,
        )
    )


def _command_update(program: Program, node: str, command: Command[Any]) -> list[Write]:
    update = command.update
    if update is None:
        return []
    if isinstance(update, (list, tuple)) and update and all(_is_pair(item) for item in update):
        known = program.state_keys
        if not program.is_root and (wrong := [value for key, value in update if key == ROOT]):
            raise _not_an_update(f"Node {node!r} returned", wrong[0])
        return [(key, value) for key, value in update if key in known]
    if not program.is_root and isinstance(update, (list, tuple)) and not update:
        return []
    return _update_writes(program, node, update)


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)


def _goto_writes(program: Program, source: str, goto: Any, writes: list[Write]) -> None:
    targets = [goto] if isinstance(plain_name(goto), (str, Send)) else goto
    if not isinstance(targets, (list, tuple, set, frozenset)):
        raise InvalidUpdateError(
            f"Node {source!r} returned Command(goto={goto!r}); goto takes a node name, a Send, or a list of these."
        )
    for target in targets:
        if isinstance(target, Send):
            _send_write(program, target, source, writes)
        elif plain_name(target) != END:
            _name_write(program, target, f"Node {source!r} returned a goto", writes)


def _with_plain_names(command: Command[Any]) -> Command[Any]:
    """The command for another graph, which a wire may lie before: an Enum's member is of this process."""
    given = command.goto
    items = list(given) if isinstance(given, (list, tuple, set, frozenset)) else [given]
    goto = [_plain_send(item) if isinstance(item, Send) else plain_name(item) for item in items]
    if all(one is other for one, other in zip(items, goto, strict=True)):
        return command
    return replace(command, goto=goto)


def _plain_send(send: Send) -> Send:
    name = plain_name(send.node)
    return send if name is send.node else Send(name, send.arg, timeout=send.timeout)


def _name_write(program: Program, name: Any, what: str, writes: list[Write]) -> None:
    name = plain_name(name)
    if not isinstance(name, str) or name not in program.nodes:
        raise RouteError(f"{what} to {name!r}, which is not a node. {known_nodes(program)}")
    writes.append((BRANCH_PREFIX + name, None))


def _send_write(program: Program, send: Send, source: str, writes: list[Write]) -> None:
    send = _plain_send(send)
    if send.node == END:
        raise InvalidUpdateError(f"Node {source!r} sent a packet to END. END runs nothing; leave the Send out to stop.")
    if send.node not in program.nodes:
        raise RouteError(f"Node {source!r} made a Send to {send.node!r}, which is not a node. {known_nodes(program)}")
    writes.append((TASKS, send))


def known_nodes(program: Program) -> str:
    """The sentence that error texts end with."""
    return f"Known nodes of graph {program.name!r}: {', '.join(map(repr, program.nodes))}."


def route_writes(program: Program, branch: Branch, returned: Any) -> list[Write]:
    """Writes of a router that returned `returned`: a node name, END, a Send, or a list or tuple of these.

    Raises RouteError (an InvalidUpdateError and ValueError) for None, START and unknown names, and RouteMapError (a
    KeyError too) for a value that the branch's path_map lacks.
    """
    writes: list[Write] = []
    for item in returned if isinstance(returned, (list, tuple)) else (returned,):
        if isinstance(item, Send):
            _send_write(program, item, branch.origin, writes)
            continue
        target = item if branch.ends is None else _mapped(branch, item)
        if isinstance(target, Send):
            _send_write(program, target, branch.origin, writes)
            continue
        if target is None or target == START:
            raise RouteError(
                f"Branch {branch.name!r} of node {branch.origin!r} did not return a valid destination: got {target!r}. "
                "Return a node name, END, a Send, or a list of these."
            )
        if plain_name(target) != END:
            what = f"Branch {branch.name!r} of node {branch.origin!r} led"
            _name_write(program, target, what, writes)
    return writes


def _mapped(branch: Branch, item: Any) -> Any:
    ends = branch.ends or {}
    try:
        return ends[item] if item in ends else ends[plain_name(item)]
    except (KeyError, TypeError):  # TypeError: unhashable
        raise RouteMapError(
            f"Branch {branch.name!r} of node {branch.origin!r} returned {item!r}, which its path map does not list. It "
            f"lists: {', '.join(map(repr, ends))}."
        ) from None


def input_reader_of(keys: list[str] | str) -> Callable[[Any], list[Write] | None]:
    """Reader of a graph's input: dict or schema instance -> writes for the keys of the input schema.

    Other keys are dropped, as in LangGraph. The reader gives None for something it cannot read.
    """
    if isinstance(keys, str):
        return lambda value: [(keys, value)]
    known = frozenset(keys)

    def read(value: Any) -> list[Write] | None:
        if isinstance(value, dict):
            return [(key, item) for key, item in value.items() if key in known]
        return instance_items(value, known)

    return read


def input_writes(program: Program, value: Any) -> list[Write]:
    """Writes of the hidden start node for a run's input; empty for an input without known keys.

    A dict, an instance of a schema class, or `Command(update=...)`. Values are not validated here: a pydantic state is
    validated when a node that takes it is planned, as in LangGraph.

    Raises EmptyInputError for None and for a Command without update, UnknownInterruptError for an answer,
    InvalidUpdateError for anything else that is no input, or that asks to go to a node (a fresh run always begins at
    START).
    """
    if value is None:
        raise EmptyInputError("Received no input. Give the graph a dict of input keys; None only continues a thread.")
    if isinstance(value, Command):
        return _command_input(program, value)
    if isinstance(value, Send):
        raise InvalidUpdateError("A Send is no graph input. Give a dict; START's edges begin the run.")
    writes = program.input_reader(value)
    if writes is None:
        raise _not_an_update("The graph's input is", value)
    return writes


def _command_input(program: Program, command: Command[Any]) -> list[Write]:
    if command.graph is not None:
        raise InvalidUpdateError(f"A run's input asked for graph {command.graph!r}, but a run has no parent graph.")
    if command.resume is not None:
        raise UnknownInterruptError(
            "Command(resume=...) answers what an earlier run on a thread has asked, and this run is on no thread. Name "
            "the thread in config={'configurable': {'thread_id': ...}}; a graph that runs in this process needs a "
            "checkpointer, too: compile(checkpointer=...)",
            reason="not_pending",
        )
    if command.goto != () and command.goto != []:
        raise InvalidUpdateError(f"A fresh run cannot begin with Command(goto={command.goto!r}): it begins at START.")
    if command.update is None:
        raise EmptyInputError("Received a Command without update, so there is nothing to start from.")
    known = {program.input_keys} if isinstance(program.input_keys, str) else program.input_keys
    return [(key, item) for key, item in _command_update(program, START, command) if key in known]


def command_writes(program: Program, command: Command[Any]) -> list[Write]:
    """Writes of a `Command` that is given to a thread: its update, and where to go.

    Raises InvalidUpdateError for a parent graph, which there is none of, and for nodes that do not exist.
    """
    if command.graph is not None:
        raise InvalidUpdateError(f"There is no parent graph: the input asked for graph {command.graph!r}.")
    writes: list[Write] = []
    if command.update is not None:
        writes += _command_update(program, START, command)
    _goto_writes(program, START, command.goto, writes)
    return writes


def updates_of(writes: Iterable[Write], output_keys: Collection[str] | str) -> Any:
    """Payload of mode `updates` for one task: what it wrote to `output_keys`.

    None if it wrote none of them; a dict; a list of one-key dicts in order of writing if a key was written twice. For a
    single key (a string): the bare value, or a list of values if written more than once.
    """
    if isinstance(output_keys, str):
        values = [value for key, value in writes if key == output_keys]
        return (values[0] if len(values) == 1 else values) if values else None
    pairs = [(key, value) for key, value in writes if key in output_keys]
    if not pairs:
        return None
    update = dict(pairs)
    return update if len(update) == len(pairs) else [{key: value} for key, value in pairs]


def result_of(writes: Iterable[Write], keys: Collection[str] | str) -> dict[str, Any]:
    """`result` of a `tasks` result event: key -> value; a key written more often: {"$writes": values}."""
    wanted = (keys,) if isinstance(keys, str) else keys
    grouped: dict[str, list[Any]] = {}
    for key, value in writes:
        if key in wanted:
            grouped.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else {"$writes": values} for key, values in grouped.items()}
