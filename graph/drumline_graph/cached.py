"""Where results of nodes lie in a cache: by graph, node, and the identity of the node's code. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from types import CodeType

from drumline_graph.functional import TaskCode
from drumline_graph.node_code import functions_of
from drumline_graph.program import Node, Program


def namespace_of(program: Program, node: Node) -> tuple[str, ...]:
    """Where the results of a node lie; those of a `@task` lie in one place, whoever calls it."""
    if isinstance(node.action, TaskCode):
        return namespace_of_task(node)
    return ("drumline:writes", program.name, program.version or "", node.name, _identity(node))


def namespace_of_task(node: Node) -> tuple[str, ...]:
    """Where the results of calls of a `@task` lie."""
    return ("drumline:writes", "", "", node.name, _identity(node))


def _identity(node: Node) -> str:
    """What tells the code of a node from other code: its names, its instructions, its constants."""
    text = []
    for function in functions_of(node.action):
        code = getattr(function, "__code__", None)
        text.append(f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}")
        if code is not None:
            text.extend(_code(code))
    text.append(f"{type(node.action).__module__}.{type(node.action).__qualname__}")
    return blake2b("\0".join(text).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _code(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield " ".join(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code(constant)
        elif isinstance(constant, frozenset):
            yield repr(sorted(map(repr, constant)))
        else:
            yield repr(constant)
