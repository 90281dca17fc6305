"""Classes that a program means and does not list: subclasses of those that it names, and names found only later.

Nothing is imported: a class is found if this process has it already. So bytes can lead to no class but the subclasses
of a class that the program names, and to the very places that its annotations name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args

from drumline_graph.annotations import is_alias, meant
from drumline_graph.loaded import present
from drumline_graph.node_code import namespaces_of
from drumline_graph.schema_types import Named, is_data_class, named_by
from drumline_graph.typing_imports import look_up

if TYPE_CHECKING:
    from drumline_graph.program import Program

#: libraries' own bases: everybody's models derive from them, so that naming one names nobody in particular
_ROOTS = ("builtins", "typing", "enum", "pydantic", "pydantic.main", "pydantic.root_model", "abc")

#: subclasses that are looked through for one value
_SUBCLASSES_MAX = 10_000


class ClassFinder:
    """Looks for classes of one program that are not in its table. Slow: asked only for what the table lacks."""

    __slots__ = ("_code", "_named", "_seen", "bases")

    def __init__(self, program: Program, named: Named | None = None) -> None:
        self._named = named_by(program) if named is None else named
        self._code = tuple(program.functions()) if self._named.sought else ()
        #: classes that were written here and that only their writer could tell
        self._seen: dict[type, None] = {}
        self.bases = tuple(cls for cls in self._named.classes if cls.__module__ not in _ROOTS)

    @property
    def names(self) -> list[str]:
        """Names in annotations that no class was found for."""
        return [f"{found.__module__}.{found.__qualname__}" for found in self._named.sought]

    def knows(self, cls: type) -> bool:
        """Whether the program means objects of this class: it derives from a named one, or is one that is sought."""
        if not is_data_class(cls) or _is_runnable(cls):
            return False
        if any(base in cls.__mro__[1:] for base in self.bases) or cls in self._seen:
            return True
        if any(cls is found for found in self._found()) or any(_fits(cls, sought) for sought in self._named.sought):
            self._seen[cls] = None
            return True
        return False

    def candidates(self, module: str, qualname: str) -> list[type]:
        """Classes of that name that the program means."""
        if module != "__main__" and present(module) is None:
            return []
        same = [cls for cls in self._all() if cls.__qualname__ == qualname and cls.__module__ == module]
        return list(dict.fromkeys(same))

    def _all(self) -> Iterator[Any]:
        yield from (cls for cls in _subclasses(self.bases) if is_data_class(cls))
        yield from self._seen
        yield from self._found()

    def _found(self) -> Iterator[Any]:
        """Classes that names stand for which could not be found at first."""
        for sought in self._named.sought:
            found = meant(look_up(sought.__module__, sought.__qualname__))
            yield from _classes_in(found)
            for function in self._code:
                for names in namespaces_of(function):
                    yield from _classes_in(names.get(sought.__qualname__))


def _classes_in(found: Any) -> Iterator[Any]:
    """The data classes that something of a namespace is, or names."""
    if found is None or is_alias(found):
        return
    if is_data_class(found):
        yield found
        yield from (cls for cls in _subclasses((found,)) if is_data_class(cls))
        return
    for part in get_args(found):
        if is_data_class(part):
            yield part


def _fits(cls: type, sought: Any) -> bool:
    """Whether a class that stands in a function, where nobody can look, has the name that is sought there."""
    return (
        "<locals>" in cls.__qualname__ and cls.__module__ == sought.__module__ and cls.__name__ == sought.__qualname__
    )


def _is_runnable(cls: Any) -> bool:
    """Whether it is a model, a chain or a graph: whatever derives from those holds clients and keys, and is no data."""
    return hasattr(cls, "invoke") and hasattr(cls, "ainvoke")


def _subclasses(bases: tuple[type, ...]) -> Iterator[type]:
    todo: list[type] = list(bases)
    seen = set(todo)
    while todo and len(seen) < _SUBCLASSES_MAX:
        below: list[type] = type.__subclasses__(todo.pop())
        for cls in below:
            if cls not in seen:
                seen.add(cls)
                todo.append(cls)
                yield cls
