"""Which table knows a class, or a tag, that neither a schema names nor anybody registered.

Each library has a module of its own (`codec_stdlib`, `codec_numpy`, ...), which is imported with the first object or
tag of that library: who uses none of them pays for none. At encoding the library is there, since the value is its own.
At decoding it is imported: its name stands in this closed list, not in the bytes. Where it is not installed, values
stay `Opaque`, and pass on as they came.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from drumline_protocol.codec_langchain import TAG_PREFIX as LANGCHAIN
from drumline_protocol.codec_langchain import langchain_types
from drumline_protocol.codec_types import TypeTable, WireType

#: Of tags: what stands before the colon.
PYTHON, PYDANTIC, NUMPY, PANDAS = "python", "pydantic", "numpy", "pandas"
_BY_TAG = {name: name for name in (PYTHON, PYDANTIC, NUMPY, PANDAS)} | {"pandas.scalar": PANDAS}

#: Of classes: the top-level packages of the standard library that the table of Python's types draws from.
_PYTHON_MODULES = frozenset(
    {
        "array",
        "builtins",
        "collections",
        "fractions",
        "http",
        "ipaddress",
        "pathlib",
        "re",
        "signal",
        "time",
        "types",
        "urllib",
        "uuid",
    }
)

_OF_PACKAGES = {"pydantic": PYDANTIC, "pydantic_core": PYDANTIC, "numpy": NUMPY, "pandas": PANDAS}
_OF_PACKAGES.update(dict.fromkeys(_PYTHON_MODULES, PYTHON))


def find_class(cls: Any) -> WireType | None:
    """How objects of exactly this class of a library are written; None if it is in no library's table."""
    package = cls.__module__.partition(".")[0]
    if package == "langchain_core":
        return langchain_types().find_class(cls)
    library = _OF_PACKAGES.get(package)
    if library is not None:
        return _table(library).find_class(cls)
    return None


def find_tag(tag: str) -> WireType | None:
    """The type of a tag of a library; None if it is not there, or not known."""
    if tag.startswith(LANGCHAIN):
        return langchain_types().find_tag(tag)
    library = _BY_TAG.get(tag.partition(":")[0])
    return None if library is None else _table(library).find_tag(tag)


@cache
def _table(library: str) -> TypeTable:
    try:
        if library == PYTHON:
            from drumline_protocol.codec_stdlib import python_types as types
        elif library == PYDANTIC:
            from drumline_protocol.codec_pydantic_types import pydantic_types as types
        elif library == NUMPY:
            from drumline_protocol.codec_numpy import numpy_types as types
        else:
            from drumline_protocol.codec_pandas import pandas_types as types
    except ImportError:
        return TypeTable()
    return types()
