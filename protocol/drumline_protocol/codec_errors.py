"""Exceptions as values: one that a node keeps in the state, or sends as an event.

An exception that ends a task travels as a `Failure` (`failure.py`), for whoever reads the run. One that is data comes
back as what it was: class, arguments, attributes, notes, and what it was raised from. Its traceback stays behind, whose
frames belong to the process that raised it. No `__init__` of a user's class runs. A reader that does not know the
class gets a `RemoteError`, which tells class and message, and which is written on as what came.
"""

from __future__ import annotations

import builtins
from functools import cache
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

from drumline_graph.loaded import loaded
from drumline_protocol.codec_types import Misfit, TypeTable, WireType, tag_of
from drumline_protocol.errors import RemoteError
from drumline_protocol.failure import own_classes, text_of

#: what tags of exceptions begin with whose class a reader may not know
UNSURE = "error:"

#: attribute of a `RemoteError` that stands for an exception that was a value: the tag and parts that came
_CAME_AS = "_drumline_came_as"

#: builtin attributes that stay behind: `obj` is any object, that an attribute was missing of
_LEFT = frozenset({"obj", "exceptions", "message", "args"})


def exception_type(cls: Any, tag: str) -> WireType:
    """The wire type of an exception class.

    Parts: the arguments, the message, the attributes (notes among them), and the exception that it was raised from.
    """

    def load(parts: list[Any]) -> Any:
        args, attributes, cause = _parts(parts)
        exc = _made(cls, args)
        for name, value in attributes.items():
            _put(exc, name, value)
        if isinstance(cause, BaseException):
            exc.__cause__ = cause
        return exc

    return WireType(cls, tag, _dump, load)


def _dump(exc: Any) -> list[Any]:
    attributes = dict(vars(exc))
    for name in _own_names(type(exc)):
        value = getattr(exc, name, None)
        if value is not None:
            attributes[name] = value
    return [list(exc.args), text_of(exc), attributes, exc.__cause__]


def _parts(parts: list[Any]) -> tuple[list[Any], dict[str, Any], Any]:
    if len(parts) < 4 or type(parts[0]) is not list or type(parts[2]) is not dict:
        raise Misfit("not the parts of an exception")
    if any(type(name) is not str for name in parts[2]):
        raise Misfit("not attributes by name")
    return parts[0], parts[2], parts[3]


def _made(cls: Any, args: list[Any]) -> BaseException:
    builtin = next(part for part in cls.__mro__ if part.__module__ == "builtins")
    try:
        exc: BaseException = builtin.__new__(cls, *args)
    except Exception:  # a builtin class that wants other arguments than those that a class below it has kept
        exc = BaseException.__new__(cls, *args)
    exc.args = tuple(args)
    return exc


@cache
def _own_names(cls: Any) -> tuple[str, ...]:
    """Attributes that are not in `__dict__`: those of builtin classes, and slots."""
    from drumline_protocol.codec_subclass import slots_of

    found: dict[str, None] = dict.fromkeys(slots_of(cls))
    for part in cls.__mro__:
        if part.__module__ == "builtins":
            for name, value in vars(part).items():
                if isinstance(value, (MemberDescriptorType, GetSetDescriptorType)) and not name.startswith("_"):
                    found[name] = None
    return tuple(name for name in found if name not in _LEFT)


def _put(exc: BaseException, name: str, value: Any) -> None:
    try:
        object.__setattr__(exc, name, value)
    except (AttributeError, TypeError, ValueError):
        return  # it cannot be set: it follows from the arguments


# -- classes that are known without being given --------------------------------------------------------


@cache
def _own() -> TypeTable:
    python = {value for value in vars(builtins).values() if isinstance(value, type) and issubclass(value, BaseException)}
    table = [exception_type(cls, f"python:{cls.__name__}") for cls in sorted(python, key=lambda cls: cls.__name__)]
    own = {cls: name for name, cls in own_classes().items() if cls not in python}
    return TypeTable([*table, *(exception_type(cls, f"drumline:{name}") for cls, name in own.items())])


#: Modules of the standard library whose exceptions are known, where somebody has imported them.
_MODULES = frozenset(
    {
        "asyncio.exceptions",
        "concurrent.futures._base",
        "configparser",
        "_csv",
        "decimal",
        "email.errors",
        "http.client",
        "json.decoder",
        "queue",
        "_queue",
        "shutil",
        "socket",
        "sqlite3",
        "ssl",
        "statistics",
        "struct",
        "subprocess",
        "tarfile",
        "urllib.error",
        "xml.etree.ElementTree",
        "xml.parsers.expat",
        "zipfile",
        "zlib",
        "zoneinfo._common",
    }
)


def find_error_class(cls: type) -> WireType:
    """How an exception of exactly this class is written."""
    found = _own().find_class(cls)
    if found is not None:
        return found
    if cls.__module__ in _MODULES:
        return exception_type(cls, f"python:{cls.__module__}.{cls.__qualname__}")
    return exception_type(cls, tag_of(cls))


def find_error_tag(tag: str) -> WireType | None:
    """The exception class of a tag, out of the closed list."""
    found = _own().find_tag(tag)
    if found is not None:
        return found
    module_name, _, name = tag.removeprefix("python:").rpartition(".")
    cls = getattr(loaded(module_name), name, None) if module_name in _MODULES else None
    return exception_type(cls, tag) if isinstance(cls, type) and issubclass(cls, BaseException) else None


def unknown_error(tag: str) -> WireType:
    """What stands for an exception whose class is not known here: a `RemoteError`."""

    def load(parts: list[Any]) -> Any:
        message = parts[1] if len(parts) > 1 and type(parts[1]) is str else ""
        exc = RemoteError(tag.removeprefix(UNSURE).replace(":", "."), message, "")
        exc.__dict__[_CAME_AS] = [tag, *parts]
        return exc

    return WireType(RemoteError, tag, _dump, load)


def came_as(exc: Any) -> list[Any] | None:
    """Tag and parts of the exception that this `RemoteError` stands for; None if it is one that was raised."""
    found: list[Any] | None = vars(exc).get(_CAME_AS)
    return found
