"""Private parts of libraries that the code uses: each is there, and each library has an upper bound in pyproject.toml.

A new version of a library that changed one of them fails here first, by its name, and not somewhere in a hot path.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
ROOMS = ("client", "coordinator", "gateway", "graph", "protocol", "transport", "worker")
#: import package -> distribution that brings it
LIBRARIES = {
    "redis": "redis",
    "hiredis": "hiredis",
    "msgpack": "msgpack",
    "pydantic": "pydantic",
    "pydantic_core": "pydantic",
    "langchain_core": "langchain-core",
    "langgraph": "langgraph",
}
#: modules without an underscore that their library documents nowhere
UNDOCUMENTED = {
    "langchain_core.tools.base",
    "langchain_core.runnables.config",
    "langgraph.pregel.protocol",
    "langgraph.managed.is_last_step",
    "redis.backoff",
    "redis.connection",
}


def private_imports() -> Iterator[tuple[str, str]]:
    """(module, name) of every import of a private module or name of a library, in all rooms."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.ImportFrom) or node.level or node.module is None:
                    continue
                if node.module.partition(".")[0] not in LIBRARIES:
                    continue
                for alias in node.names:
                    parts = [*node.module.split("."), alias.name]
                    if node.module in UNDOCUMENTED or any(part.startswith("_") for part in parts):
                        yield node.module, alias.name


IMPORTED = sorted(set(private_imports()))


def bounds() -> dict[str, str]:
    """Distribution -> version specifier, of all dependencies and extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    found: dict[str, str] = {}
    for line in lines:
        match = re.match(r"([A-Za-z0-9-]+)(\[[^]]*\])?([^;]*)", line)
        assert match is not None
        found.setdefault(match[1].lower(), match[3].strip())
    return found


def test_the_walk_finds_private_parts() -> None:
    assert ("redis.connection", "AbstractConnection") in IMPORTED


@pytest.mark.parametrize(("module", "name"), IMPORTED)
def test_a_private_part_that_is_imported_is_there(module: str, name: str) -> None:
    try:
        assert hasattr(importlib.import_module(module), name)
    except AssertionError:
        importlib.import_module(f"{module}.{name}")  # a module of that name


@pytest.mark.parametrize(
    "library", sorted({module.partition(".")[0] for module, _ in IMPORTED} | {"hiredis", "msgpack"})
)
def test_a_library_whose_private_parts_are_used_has_an_upper_bound(library: str) -> None:
    assert "<" in bounds()[LIBRARIES[library]], f"{LIBRARIES[library]} needs an upper bound in pyproject.toml"


# -- parts that no import names ------------------------------------------------------------------------


def test_a_connection_of_redis_py_opens_a_socket_that_can_be_taken() -> None:
    """The transport opens with redis-py (TLS, logins, sockets of Unix), and then uses the socket itself."""
    from redis.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection, parse_url

    for kind in (Connection, SSLConnection, UnixDomainSocketConnection):
        assert issubclass(kind, AbstractConnection)
        assert "_sock" in vars(kind()), "the socket has another name"  # type: ignore[abstract]
        for method in ("connect", "disconnect"):
            assert callable(getattr(kind, method))
    known = inspect.signature(AbstractConnection.__init__).parameters
    for option in ("socket_timeout", "socket_connect_timeout", "protocol"):
        assert option in known or option in inspect.signature(Connection.__init__).parameters
    assert "driver_info" in known or "lib_name" in known
    assert parse_url("rediss://u:p@h:1/2")["connection_class"] is SSLConnection
    assert parse_url("unix:///x")["path"] == "/x"


def test_hiredis_packs_commands_and_reads_replies() -> None:
    import hiredis

    assert hiredis.pack_command(("GET", "k", 1)) == b"*3\r\n$3\r\nGET\r\n$1\r\nk\r\n$1\r\n1\r\n"  # type: ignore[arg-type]
    nothing = object()
    reader: Any = hiredis.Reader(protocolError=ValueError, replyError=KeyError, notEnoughData=nothing)
    assert reader.gets() is nothing
    reader.feed(bytearray(b"xx:1\r\n"), 2, 4)
    assert reader.gets() == 1
    reader.feed(b"-ERR no\r\n")
    assert isinstance(reader.gets(), KeyError)


def test_pydantic_keeps_what_objects_are_made_of() -> None:
    from pydantic import BaseModel, ConfigDict, PrivateAttr

    class Model(BaseModel):
        model_config = ConfigDict(extra="allow")
        x: int = 1
        _y: int = PrivateAttr(2)

    made = Model(x=3, z=4)  # type: ignore[call-arg]
    assert made.__pydantic_fields_set__ == {"x", "z"}
    assert made.__pydantic_extra__ == {"z": 4} and made.__pydantic_private__ == {"_y": 2}
    assert hasattr(Model, "__pydantic_validator__")


def test_the_backoff_of_redis_has_jitter_and_a_cap() -> None:
    from redis.backoff import EqualJitterBackoff

    backoff = EqualJitterBackoff(cap=1.0, base=0.1)
    assert all(0.5 <= backoff.compute(16) <= 1.0 for _ in range(100))
    assert len({backoff.compute(5) for _ in range(20)}) > 1
