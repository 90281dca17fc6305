"""Which classes may cross the wire, and how: the closed table behind the codec.

A class travels as its *tag* and its fields. The tag (`module:QualName`, or what `register` was given) is data: it is
looked up in a table, never imported. Objects are rebuilt from their fields without running `__init__`, `__post_init__`
or validators, so that they come back as they were; only `from_fields` of `register` is called.

What the reader does not know, or what does not fit its class any more, it gets as `Opaque`.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import GenericAlias
from typing import Any, Protocol, TypeVar, overload

from drumline_graph.loaded import loaded
from drumline_protocol.codec_names import apart, digest_of

T = TypeVar("T", bound=type)

_set = object.__setattr__


class Misfit(Exception):
    """The fields in the bytes are not those of the class (of another version): read as `Opaque`."""


class Opaque:
    """A value of a type that this process does not know: its `tag` and its `fields`, as plain data.

    It can be kept, compared, hashed, put into a state and sent on; a reader that knows the type gets the object. Give
    the classes with `Cluster(types=[...])` or `graph.on(cluster)` to get it here. Do not change `fields`: what is sent
    on are the bytes it came as.

    Code that takes it for the object gets an error that names the class and says how to give it.
    """

    __slots__ = ("code", "data", "fields", "tag")

    def __init__(self, tag: str, fields: Any, code: int, data: bytes) -> None:
        self.tag = tag
        self.fields = fields
        self.code = code
        self.data = data

    def __eq__(self, other: object) -> bool:
        return type(other) is Opaque and self.code == other.code and self.data == other.data

    def __hash__(self) -> int:
        return hash((self.code, self.data))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in Opaque.__slots__:  # a slot that is not set yet
            raise AttributeError(name)
        raise AttributeError(f"{self._story} {_where(self.fields, name)}", name=name, obj=None)

    def __getitem__(self, key: Any) -> Any:
        raise TypeError(f"{self._story} {_where(self.fields, key)}")

    @property
    def _story(self) -> str:
        return (
            f"this is an Opaque: class {self.tag!r} is not known in this process, or has other fields here. To get its "
            "objects, give the class: Cluster(types=[...]), cluster.graph(name, graph=graph) or graph.on(cluster), or "
            "drumline.types.register in its module; import that module before."
        )

    def __repr__(self) -> str:
        text = repr(self.fields)
        return f"Opaque({self.tag!r}, {text if len(text) <= 200 else text[:200] + '...'})"


def _where(fields: Any, name: Any) -> str:
    return f"Here its value is .fields[{name!r}]." if type(fields) is dict and name in fields else ""


@dataclass(slots=True)
class WireType:
    """How objects of one class are written and rebuilt.

    `dump(obj)` gives the parts that stand behind the tag: the fields, then whatever else the class needs. `load(parts)`
    makes the object from them and raises `Misfit` if they belong to another version of the class. `name(key)` is how an
    error's path shows the field `key`.
    """

    cls: type
    tag: str
    dump: Callable[[Any], list[Any]]
    load: Callable[[list[Any]], Any]

    @property
    def qualname(self) -> str:
        return self.tag.partition(":")[2]

    @property
    def of_main(self) -> bool:
        return self.tag.startswith("__main__:")


def tag_of(cls: type) -> str:
    """The tag of a class that was not given one: `module:QualName`."""
    return f"{cls.__module__}:{cls.__qualname__}"


# -- the structure of a class ----------------------------------------------------------------------


def attribute_type(cls: type, tag: str, defaults: dict[str, Callable[[], Any] | None]) -> WireType:
    """A class whose objects are their attributes; a default of None means there is none."""
    names = tuple(defaults)

    def dump(obj: Any) -> list[Any]:
        return [{name: getattr(obj, name) for name in names}]

    def load(parts: list[Any]) -> Any:
        fields = _fields(parts)
        obj: Any = object.__new__(cls)
        for name, default in defaults.items():
            if name in fields:
                _set(obj, name, fields[name])
            elif default is not None:
                _set(obj, name, default())
            else:
                raise Misfit(name)
        return obj

    return WireType(cls, tag, dump, load)


def _fields(parts: list[Any]) -> dict[Any, Any]:
    if not parts or type(parts[0]) is not dict:
        raise Misfit("not a dict of fields")
    return parts[0]


def _dataclass_type(cls: Any, tag: str) -> WireType | None:
    if cls.__new__ is not object.__new__:
        return None
    defaults: dict[str, Callable[[], Any] | None] = {}
    for item in dataclasses.fields(cls):
        if item.default is not dataclasses.MISSING:
            defaults[item.name] = _constant(item.default)
        elif item.default_factory is not dataclasses.MISSING:
            defaults[item.name] = item.default_factory
        else:
            defaults[item.name] = None
    return attribute_type(cls, tag, defaults)


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


def _enum_type(cls: Any, tag: str) -> WireType:
    """A member travels by name; a combination of flags, which has none, as its number."""
    members = cls.__members__
    flags = issubclass(cls, enum.Flag)

    def dump(obj: Any) -> list[Any]:
        name = obj._name_
        return [name] if name in members else [obj._value_]

    def load(parts: list[Any]) -> Any:
        known = parts[0] if parts else None
        if type(known) is str and known in members:
            return members[known]
        if flags and type(known) is int:
            try:
                return cls(known)
            except ValueError:
                pass
        raise Misfit(known)

    return WireType(cls, tag, dump, load)


def _namedtuple_type(cls: Any, tag: str) -> WireType:
    names: tuple[str, ...] = cls._fields
    defaults: dict[str, Any] = cls._field_defaults

    def dump(obj: Any) -> list[Any]:
        return [dict(zip(names, obj, strict=True))]

    def load(parts: list[Any]) -> Any:
        fields = _fields(parts)
        try:
            values = [fields[n] if n in fields else defaults[n] for n in names]
        except KeyError as exc:
            raise Misfit(str(exc)) from None
        return tuple.__new__(cls, values)

    return WireType(cls, tag, dump, load)


def structure(cls: Any, tag: str | None = None) -> WireType | None:
    """The wire type of a dataclass, attrs class, pydantic model, Enum, NamedTuple, exception, or subclass of one of
    Python's own types; None for others.
    """
    from drumline_protocol.codec_subclass import subclass_type

    tag = tag or tag_of(cls)
    if issubclass(cls, enum.Enum):
        return _enum_type(cls, tag)
    pydantic = loaded("pydantic")
    if pydantic is not None and issubclass(cls, pydantic.BaseModel):
        if cls is pydantic.BaseModel:
            return None
        from drumline_protocol.codec_pydantic import model_type

        return model_type(cls, tag)
    if not issubclass(cls, BaseException) and dataclasses.is_dataclass(cls):
        return _dataclass_type(cls, tag)
    if "__attrs_attrs__" in cls.__dict__:
        from drumline_protocol.codec_attrs import attrs_type

        return attrs_type(cls, tag)
    if issubclass(cls, tuple) and hasattr(cls, "_field_defaults"):
        return _namedtuple_type(cls, tag)
    return subclass_type(cls, tag)


# -- tables ----------------------------------------------------------------------------------------


class Finder(Protocol):
    """Looks for classes that a table does not list and that belong to it all the same."""

    def knows(self, cls: type) -> bool: ...

    def candidates(self, module: str, qualname: str) -> Sequence[type]: ...


class TypeTable:
    """A closed set of classes with their tags, never changed: `with_types` gives a new one.

    Of several classes with one name (two calls of a factory, `create_model` twice) each has a tag of its own: behind a
    `#` stands a digest of its fields. `finder` is asked for classes that the table lacks.
    """

    __slots__ = ("_by_class", "_by_qualname", "_by_tag", "_finder")

    def __init__(self, types: Iterable[WireType] = (), finder: Finder | None = None) -> None:
        self._by_class: dict[type, WireType] = {}
        self._by_tag: dict[str, WireType] = {}
        self._by_qualname: dict[str, list[WireType]] = {}
        self._finder = finder
        for wire_type in types:
            self._add(wire_type)

    def _add(self, wire_type: WireType) -> None:
        self._by_class[wire_type.cls] = wire_type
        self._by_tag[wire_type.tag] = wire_type
        self._by_qualname.setdefault(wire_type.qualname, []).append(wire_type)

    def __len__(self) -> int:
        return len(self._by_class)

    def __repr__(self) -> str:
        return f"TypeTable({sorted(self._by_tag)})"

    def with_types(self, classes: Iterable[Any], finder: Finder | None = None) -> TypeTable:
        """This table and these classes: dataclasses, attrs classes, pydantic models, Enums and NamedTuples.

        Anything else among `classes` is passed over: a schema names many types that need no entry, and what cannot be
        encoded in the end says so then. A class of a name that the table has already takes its tag.
        """
        table = TypeTable(self._by_class.values(), finder or self._finder)
        new: dict[type, WireType] = {}
        for cls in classes:
            # `isinstance(list[int], type)` is true on Python 3.10
            real = isinstance(cls, type) and not isinstance(cls, GenericAlias)
            if real and cls not in table._by_class and cls not in new:
                wire_type = structure(cls)
                if wire_type is not None:
                    new[cls] = wire_type
        for wire_type in apart(list(new.values()), structure):
            table._add(wire_type)
        return table

    def tags(self) -> dict[str, WireType]:
        """The entries by tag. Do not change it."""
        return self._by_tag

    def find_class(self, cls: type) -> WireType | None:
        """The entry of exactly this class."""
        found = self._by_class.get(cls)
        if found is None and self._finder is not None and self._finder.knows(cls):
            found = self._learn(cls)
        return found

    def find_tag(self, tag: str) -> WireType | None:
        """The entry of that tag.

        A script run as `__main__` and the same file imported by a worker give one class two module names. So a class of
        `__main__`, on either side, is also found by its qualified name if only one class of the table has it.
        """
        found = self._by_tag.get(tag) or self._alike(tag)
        if found is not None:
            return found
        base, mark, digest = tag.partition("#")
        if mark:  # the writer has several classes of that name: only one with these very fields will do
            plain = self.find_tag(base)
            return plain if plain is not None and digest_of(plain.cls) == digest else None
        module, _, qualname = base.partition(":")
        classes = () if self._finder is None else self._finder.candidates(module, qualname)
        return self._learn(classes[0]) if len(classes) == 1 else None

    def _alike(self, tag: str) -> WireType | None:
        module, _, qualname = tag.partition(":")
        alike = self._by_qualname.get(qualname, ())
        if module != "__main__":
            alike = [wire_type for wire_type in alike if wire_type.of_main]
        return alike[0] if len(alike) == 1 else None

    def _learn(self, cls: type) -> WireType | None:
        """Add a class that the finder stands for, unless another one has its name already."""
        wire_type = structure(cls)
        if wire_type is None:
            return None
        if wire_type.tag in self._by_tag:
            wire_type = structure(cls, f"{wire_type.tag}#{digest_of(cls)}")
        if wire_type is None or wire_type.tag in self._by_tag:
            return None
        self._add(wire_type)
        return wire_type


#: What `register` was given, for all codecs of this process.
registered = TypeTable()


@overload
def register(cls: T) -> T: ...
@overload
def register(
    cls: T,
    *,
    tag: str | None = None,
    to_fields: Callable[[Any], Any] | None = None,
    from_fields: Callable[[Any], Any] | None = None,
) -> T: ...
def register(
    cls: T,
    *,
    tag: str | None = None,
    to_fields: Callable[[Any], Any] | None = None,
    from_fields: Callable[[Any], Any] | None = None,
) -> T:
    """Let objects of exactly this class cross between processes. Returns the class, so it is also a decorator.

    Dataclasses, attrs classes, pydantic models, Enums and NamedTuples need nothing more. For any other class, or to
    choose what travels, give `to_fields(obj)`, which turns an object into encodable data (a dict, as a rule), and
    `from_fields(data)`, which makes an object of it. `from_fields` is called with data from outside: check it.

    `tag` names the class in the bytes; it must be the same wherever the class is used, and different for each class. By
    default it is the module and qualified name. Every process that writes or reads the class has to register it, best
    in the module that defines it; a process that did not reads `Opaque(tag, fields)`.

    TypeError if the class needs `to_fields` and `from_fields` and lacks one; ValueError if the tag is taken.
    """
    if not isinstance(cls, type):
        raise TypeError(f"register() takes a class, not {cls!r}.")
    tag = tag or tag_of(cls)
    if (to_fields is None) != (from_fields is None):
        raise TypeError(f"register({cls.__name__}) needs both to_fields and from_fields, or neither.")
    if to_fields is not None and from_fields is not None:
        wire_type: WireType | None = _custom_type(cls, tag, to_fields, from_fields)
    else:
        wire_type = structure(cls, tag)
    if wire_type is None:
        raise TypeError(
            f"{tag_of(cls)} is not a dataclass, attrs class, pydantic model, Enum or NamedTuple, so drumline "
            "cannot see what it consists of. Give register() to_fields= and from_fields=."
        )
    taken = registered._by_tag.get(tag)
    if taken is not None and tag_of(taken.cls) != tag_of(cls):
        raise ValueError(f"The tag {tag!r} already belongs to {tag_of(taken.cls)}; give another tag=.")
    registered._add(wire_type)
    return cls


def _custom_type(cls: type, tag: str, to_fields: Callable[[Any], Any], from_fields: Callable[[Any], Any]) -> WireType:
    def load(parts: list[Any]) -> Any:
        return from_fields(parts[0])

    return WireType(cls, tag, lambda obj: [to_fields(obj)], load)
