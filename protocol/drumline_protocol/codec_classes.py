"""A class itself as a value: `int`, a model that a node is to fill, the factory of a defaultdict.

It travels by name and is looked up in the reader's own tables: Python's builtin types here, others by the tag that
their objects have.
"""

from __future__ import annotations

import builtins
import types
from typing import Any

from drumline_protocol.codec_builtin import DUMPERS, Refused
from drumline_protocol.codec_types import Misfit, WireType, tag_of

#: the tag of every class
CLASS_TAG = "python:class"

_UNKNOWN = "the class is not known; name it in the graph's schema or register it with drumline.types.register"

_BY_NAME: dict[str, type] = {
    f"builtins:{name}": cls for name, cls in vars(builtins).items() if isinstance(cls, type) and cls.__name__ == name
}
_BY_NAME.update({tag_of(cls): cls for cls in DUMPERS})
_BY_NAME.update({f"builtins:{cls.__name__}": cls for cls in (type(None), types.FunctionType, types.MethodType)})
_NAMES = {cls: name for name, cls in _BY_NAME.items()}


def class_name(cls: Any, wire_type: WireType | None) -> list[Any]:
    """What is written of a class; `wire_type` is how its objects are written."""
    name = _NAMES.get(cls)
    if name is not None:
        return [name]
    if wire_type is None:
        raise Refused(_UNKNOWN)
    return [wire_type.tag]


def class_of(parts: list[Any], found: WireType | None) -> type:
    """The class of that name; `found` is what has its name as a tag. Misfit if there is none."""
    known = _BY_NAME.get(parts[0])
    if known is not None:
        return known
    if found is None:
        raise Misfit(parts[0])
    return found.cls
