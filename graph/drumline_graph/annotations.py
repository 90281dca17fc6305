"""Reading annotations one by one: a name that cannot be found costs nobody but itself.

`typing.get_type_hints` is all or nothing: one name that was imported under `TYPE_CHECKING` loses the types of every
other field. Here such a name becomes an `Unresolved` class of its own, inside whatever generic it stands in.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from typing_extensions import TypeAliasType

from drumline_graph.loaded import present
from drumline_graph.typing_imports import look_up, typing_aliases, typing_imports

#: names of one annotation that may be missing
_MISSING_MAX = 64

#: PEP 695's `type X = ...`, and its backport for older Pythons
_ALIASES: tuple[Any, ...] = tuple({TypeAliasType, getattr(typing, "TypeAliasType", TypeAliasType)})


class _Missing(type):
    """The class of `Unresolved` classes: they can stand wherever a class can."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return unresolved(f"{cls.__qualname__}.{name}".lstrip("."), cls.__module__)

    def __getitem__(cls, _arguments: Any) -> Any:
        return cls

    def __repr__(cls) -> str:
        return cls.__qualname__


class Unresolved(metaclass=_Missing):
    """Base of the classes that stand for a name that could not be found.

    `__module__` and `__qualname__` say where it would be: in the module that it is imported from for type checkers, or
    else in the module that wrote the annotation.
    """


@functools.lru_cache(maxsize=4096)
def unresolved(name: str, module: str) -> Any:
    """The class that stands for `name` in annotations of `module`; always the same one."""
    return _Missing(name.rpartition(".")[2] or module, (Unresolved,), {"__module__": module, "__qualname__": name})


def sought(name: str, module: str) -> Any:
    """What `name` means in annotations of `module`, which does not have it at run time: an import for type checkers."""
    source = typing_imports(module).get(name)
    if source is None:
        return unresolved(name, module)
    found = look_up(*source)
    return unresolved(source[1], source[0]) if found is None else found


def is_unresolved(annotation: Any) -> bool:
    """Whether an annotation stands for a name that could not be found."""
    return isinstance(annotation, _Missing)


def unresolved_in(annotation: Any) -> list[Any]:
    """The `Unresolved` classes in an annotation."""
    found: list[Any] = []
    todo, seen = [annotation], set()
    while todo:
        item = todo.pop()
        if is_unresolved(item):
            found.append(item)
            continue
        if id(item) in seen:
            continue
        seen.add(id(item))
        todo.extend(part for part in typing.get_args(item) if not isinstance(part, (str, bytes)))
        todo.extend(getattr(item, "__metadata__", ()))
    return found


def is_alias(annotation: Any) -> bool:
    """Whether it is what `type X = ...` makes, without arguments: with them, Python 3.10 takes it for one too."""
    return isinstance(annotation, _ALIASES) and typing.get_origin(annotation) is None


def meant(annotation: Any) -> Any:
    """What an annotation stands for: behind `type X = ...`, also with arguments. Others are given back as they are."""
    for _ in range(_MISSING_MAX):
        origin = typing.get_origin(annotation)
        alias = annotation if is_alias(annotation) else origin
        if not is_alias(alias):
            return annotation
        value = value_of(alias)
        arguments = typing.get_args(annotation) if alias is origin else ()
        annotation = _with_arguments(value, alias, arguments)
    return annotation


def value_of(alias: Any) -> Any:
    """What stands behind `type X = ...`, with `Unresolved` classes for names that it lacks: it is evaluated late."""
    module = str(getattr(alias, "__module__", ""))
    try:
        value = alias.__value__
    except NameError:
        value = typing_aliases(module).get(alias.__name__, alias.__name__)
    names = dict(vars(present(module) or types))
    return resolved(value, names, {p.__name__: p for p in alias.__type_params__}, module)


def _with_arguments(value: Any, alias: Any, arguments: tuple[Any, ...]) -> Any:
    """The value of a generic alias with its parameters filled in, where it can be subscripted."""
    if not arguments or not getattr(value, "__parameters__", ()):
        return value
    given = dict(zip(alias.__type_params__, arguments, strict=False))
    try:
        return value[tuple(given.get(parameter, parameter) for parameter in value.__parameters__)]
    except TypeError:
        return value


def hints_of(thing: Any) -> dict[str, Any]:
    """Annotations of a class (its bases too) or of a function, resolved name by name, with extras. Never raises.

    What cannot be found is an `Unresolved` class in its place.
    """
    while isinstance(thing, functools.partial):
        thing = thing.func
    try:
        return dict(typing.get_type_hints(thing, include_extras=True))
    except Exception:
        pass
    try:
        return _one_by_one(thing)
    except Exception:  # something that only looks like a class or a function
        return {}


def _one_by_one(thing: Any) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for owner in reversed(thing.__mro__) if isinstance(thing, type) else [thing]:
        globals_, locals_ = _names_of(owner)
        module = str(getattr(owner, "__module__", None) or globals_.get("__name__", ""))
        for name, annotation in _written(owner).items():
            hints[name] = resolved(annotation, globals_, locals_, module)
    return hints


def _written(owner: Any) -> Mapping[str, Any]:
    """The annotations of one class or function as they were written."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(owner, format=annotationlib.Format.FORWARDREF)
    own = vars(owner) if isinstance(owner, type) else {"__annotations__": getattr(owner, "__annotations__", None)}
    found = own.get("__annotations__")
    return found if isinstance(found, Mapping) else {}


def _names_of(owner: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Names that annotations of `owner` may use: of its module; and of its class body, or of functions around it."""
    if isinstance(owner, type):
        globals_ = vars(present(owner.__module__) or types)
        parameters = {p.__name__: p for p in getattr(owner, "__type_params__", ())}
        inside = {name: value for name, value in vars(owner).items() if name not in globals_}
        return dict(globals_), {**inside, **parameters}
    function = inspect.unwrap(owner)
    function = getattr(function, "__func__", function)
    parameters = {p.__name__: p for p in getattr(function, "__type_params__", ())}
    return dict(getattr(function, "__globals__", {})), {**closed_over(function), **parameters}


def closed_over(function: Any) -> dict[str, Any]:
    """Names of the functions around this one that its code uses, with their values."""
    function = getattr(inspect.unwrap(function), "__func__", inspect.unwrap(function))
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None) or ()
    found: dict[str, Any] = {}
    for name, cell in zip(getattr(code, "co_freevars", ()), cells, strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not bound yet
            continue
    return found


def resolved(annotation: Any, globals_: dict[str, Any], locals_: dict[str, Any], module: str) -> Any:
    """One annotation, as text or as it is, with `Unresolved` classes for the names that it lacks."""
    known = dict(locals_)
    carrier = types.SimpleNamespace(__annotations__={"it": annotation})
    for _ in range(_MISSING_MAX):
        try:
            return typing.get_type_hints(carrier, globals_, known, include_extras=True)["it"]
        except NameError as error:
            name = error.name or ""
            if not name or name in known:
                break
            known[name] = sought(name, module)
        except Exception:
            break
    if isinstance(annotation, str):
        return unresolved(annotation if annotation.isidentifier() else "?", module)
    return annotation


def inner_of(annotation: Any) -> Iterable[Any]:
    """Annotations within an annotation: arguments, bounds, what an alias or a NewType stands for."""
    if is_alias(annotation):
        yield value_of(annotation)
        return
    for argument in typing.get_args(annotation):
        yield from argument if isinstance(argument, (list, tuple)) else (argument,)
    for name in ("__bound__", "__default__", "__supertype__"):  # of a TypeVar, and of a NewType
        found = None if isinstance(annotation, type) else getattr(annotation, name, None)
        if found is not None:
            yield found
    if not isinstance(annotation, type):
        yield from getattr(annotation, "__constraints__", None) or ()
    origin = typing.get_origin(annotation)
    if origin is not None:
        yield origin
