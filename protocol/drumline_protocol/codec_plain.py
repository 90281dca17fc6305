"""Plain data in place of objects that cannot cross: for fields that are free-form, and that few readers look at.

`additional_kwargs`, `response_metadata` or `artifact` of a message, attributes of an exception: libraries put what they
like there. What the codec knows stays as it is. Another object becomes the dict of its fields, if its class declares
them (pydantic, dataclasses, attrs, named tuples) or if all its public attributes are data; a member of an Enum its
value; an object of a subclass of a builtin type what that type holds; and anything else a text with the name of its
class, as in `<app.Client>`. No `repr` is taken: it may hold secrets, or raise.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from typing import Any

from drumline_graph.loaded import loaded
from drumline_protocol.codec_subclass import BASES, base_of, slots_of
from drumline_protocol.failure import class_name_of

#: levels of objects inside one another that are looked into
_DEPTH_MAX = 24

_ATOMS = frozenset({type(None), bool, float, str, bytes})


class Plain:
    """Makes plain data. `crosses(value)` tells whether the codec can write a value; `is_free(cls)` whether it writes
    objects of a class with their free-form fields made plain: those stay.
    """

    __slots__ = ("_crosses", "_inside", "_is_free")

    def __init__(self, crosses: Callable[[Any], bool], is_free: Callable[[type], bool]) -> None:
        self._crosses = crosses
        self._is_free = is_free
        self._inside: set[int] = set()

    def of(self, value: Any, depth: int = 0) -> Any:
        """`value`, or what stands for it. Raises nothing, whatever the objects in it do."""
        if type(value) in _ATOMS or self._crosses(value):
            return value
        if depth > _DEPTH_MAX or id(value) in self._inside:
            return named(value)
        self._inside.add(id(value))
        try:
            return self._of(value, depth + 1)
        except KeyboardInterrupt:
            raise
        except BaseException:  # it raises wherever it is touched
            return named(value)
        finally:
            self._inside.discard(id(value))

    def _of(self, value: Any, depth: int) -> Any:
        if self._is_free(type(value)):
            return value
        if type(value) in (dict, list, tuple):
            return self._container(value, depth)
        fields = declared_fields(value)
        if fields is not None:
            return self._container(fields, depth)
        if isinstance(value, enum.Enum):
            return self.of(value.value, depth)
        base = base_of(type(value))
        if base in BASES:
            held = BASES[base][1].read(value)
            return self.of(held if type(held) is not type(value) else list(held), depth)
        if isinstance(value, Mapping):
            return self._container(dict(value), depth)
        if isinstance(value, (set, frozenset)) or base is not None:
            return self.of(list(value), depth)
        public = {name: item for name, item in _attributes(value).items() if not name.startswith("_")}
        return public if public and self._crosses(public) else named(value)

    def _container(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return {key if self._crosses(key) else named(key): self.of(item, depth) for key, item in dict.items(value)}
        items = [self.of(item, depth) for item in value]
        return tuple(items) if type(value) is tuple else items


def declared_fields(value: Any) -> dict[str, Any] | None:
    """The fields that the class of an object declares, by name; None if it declares none."""
    cls = type(value)
    if dataclasses.is_dataclass(cls):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(cls)}
    pydantic = loaded("pydantic")
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        names = dict.fromkeys(type(value).model_fields)
        return {name: item for name, item in value.__dict__.items() if name in names} | (value.__pydantic_extra__ or {})
    named_fields = getattr(cls, "_fields", None)
    if isinstance(value, tuple) and isinstance(named_fields, tuple):
        return dict(zip(named_fields, value, strict=False))
    attributes = getattr(cls, "__attrs_attrs__", None)
    if attributes is not None:
        return {attribute.name: getattr(value, attribute.name) for attribute in attributes}
    return None


def _attributes(value: Any) -> dict[str, Any]:
    """All attributes of an object: those in the slots of its classes, then those in its dict."""
    slots = {name: getattr(value, name, None) for name in slots_of(type(value))}
    return {**slots, **getattr(value, "__dict__", {})}


def named(value: Any) -> str:
    """What stands for an object that has no data: the name of its class."""
    return f"<{class_name_of(type(value))}>"
