"""Input and output of a graph as classes of pydantic's, for `as_tool`, LangServe and whoever looks at Runnables so.

Pydantic is imported when first asked.
"""

from __future__ import annotations

import sys
import typing
from typing import Any, get_type_hints

from typing_extensions import NotRequired, TypedDict

_Plain = typing.TypedDict("_Plain", {})  # noqa: UP013  the functional form shows the metaclass
TypedDictMeta = type(_Plain)


def model_of(schema: Any, name: str) -> Any:
    """A pydantic class of a graph's schema: the schema itself if it is one, else a class with its fields.

    As in LangGraph all fields may be left out. A schema without fields (a root graph's) becomes a `RootModel`.
    """
    from pydantic import BaseModel, ConfigDict, create_model

    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return schema
    hints = _hints(schema)
    if not hints:
        return value_model_of(Any if schema is None else schema, name)
    fields: Any = {key: (hint, None) for key, hint in hints.items()}
    return create_model(name, __config__=ConfigDict(arbitrary_types_allowed=True), **fields)


def value_model_of(typ: Any, name: str) -> Any:
    """A pydantic class of a value that is one whole, as the input of an entrypoint: its type, if that is one."""
    from pydantic import BaseModel, RootModel, create_model

    if isinstance(typ, type) and issubclass(typ, BaseModel):
        return typ
    root: Any = RootModel
    return create_model(name, __base__=root[_readable(typ)])


def json_schema_of(schema: Any) -> dict[str, Any]:
    """JSON schema of a graph's schema."""
    from pydantic import TypeAdapter

    return TypeAdapter(_readable(schema)).json_schema()


def _readable(schema: Any) -> Any:
    """A `typing.TypedDict` as pydantic can read it: before Python 3.12 only that of `typing_extensions`."""
    if sys.version_info >= (3, 12) or type(schema) is not TypedDictMeta:
        return schema
    required, hints = schema.__required_keys__, get_type_hints(schema)
    fields = {key: hint if key in required else NotRequired[hint] for key, hint in hints.items()}
    make: Any = TypedDict
    made = make(schema.__name__, fields)
    made.__doc__ = schema.__doc__
    return made


def _hints(schema: Any) -> dict[str, Any]:
    """Types of the fields, without reducers."""
    if not isinstance(schema, type) or not getattr(schema, "__annotations__", None):
        return {}
    try:
        return get_type_hints(schema)
    except NameError:  # known to type checkers only
        return dict.fromkeys(schema.__annotations__, Any)
