"""Which codec reads and writes the values of which graph.

A process that serves several graphs has one table for all of them, as long as no two graphs have different classes of
one name. Where they have, each of them gets a codec of its own, in which the name means its own class: never another
graph's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from drumline_graph.class_finder import ClassFinder
from drumline_graph.error_classes import error_classes_of
from drumline_graph.program import Program
from drumline_graph.schema_types import named_by
from drumline_protocol.codec import Codec
from drumline_protocol.codec_names import digest_of
from drumline_protocol.codec_types import TypeTable, WireType, structure, tag_of


def table_of(program: Program, beside: TypeTable | None = None) -> TypeTable:
    """The classes that a program names, before those in `beside`; others that it means are found when they come."""
    named = named_by(program)
    table = TypeTable() if beside is None else beside
    return table.with_types([*named.classes, *error_classes_of(program)], ClassFinder(program, named))


class _Finders:
    """Asks the finders of several graphs; what two of them would find differently is not found."""

    def __init__(self, finders: Sequence[ClassFinder]) -> None:
        self._finders = finders

    def knows(self, cls: type) -> bool:
        return any(finder.knows(cls) for finder in self._finders)

    def candidates(self, module: str, qualname: str) -> list[type]:
        return list(dict.fromkeys(cls for f in self._finders for cls in f.candidates(module, qualname)))


class GraphCodecs:
    """The codecs of a process that serves `programs`: `general`, and `of(name)` for the values of one graph.

    `version` is the protocol that the cluster speaks. Values of the tags that they `pass` stay `Opaque`.
    """

    def __init__(self, programs: Mapping[str, Program], version: int, passes: Iterable[str] = ()) -> None:
        named = {name: named_by(program) for name, program in programs.items()}
        finders = {name: ClassFinder(programs[name], found) for name, found in named.items()}
        errors = {name: error_classes_of(program) for name, program in programs.items()}
        tables = {name: TypeTable().with_types([*found.classes, *errors[name]]) for name, found in named.items()}
        entries = {entry.cls: entry for table in tables.values() for entry in table.tags().values()}
        clashing = _clashes(entries)
        agreed = [entry for entry in entries.values() if _base(entry) not in clashing]
        everybodys = _Finders(list(finders.values()))
        self.general = Codec(
            TypeTable([*agreed, *_told_apart(entries.values(), clashing)], everybodys), version, passes=passes
        )
        self._own: dict[str, Codec] = {}
        for name, table in tables.items():
            own = list(table.tags().values())
            if any(_base(entry) in clashing for entry in own):
                self._own[name] = Codec(TypeTable([*agreed, *own], finders[name]), version, passes=passes)

        self.apart = bool(self._own)

    def of(self, graph: str) -> Codec:
        """The codec for values of a graph. It is `general` unless the graph shares a class's name with another one."""
        return self._own.get(graph, self.general)


def _base(entry: WireType) -> str:
    """The tag without the digest of fields that it may have."""
    return entry.tag.partition("#")[0]


def _clashes(entries: Iterable[type]) -> frozenset[str]:
    """Names that several classes have."""
    owner: dict[str, type] = {}
    return frozenset(tag_of(cls) for cls in entries if owner.setdefault(tag_of(cls), cls) is not cls)


def _told_apart(entries: Iterable[WireType], clashing: frozenset[str]) -> list[WireType]:
    """Entries of the classes that share a name and that their fields tell apart: for graphs that call other graphs."""
    found: dict[str, list[WireType]] = {}
    for entry in entries:
        if _base(entry) in clashing:
            apart = structure(entry.cls, f"{_base(entry)}#{digest_of(entry.cls)}")
            if apart is not None:
                found.setdefault(apart.tag, []).append(apart)
    return [group[0] for group in found.values() if len(group) == 1]
