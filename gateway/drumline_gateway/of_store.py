"""Items of the store that graphs get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from drumline_gateway.ask import Ask
from drumline_gateway.bodies import Fields, query_flag
from drumline_gateway.errors import HttpError, bad
from drumline_gateway.service import Row

#: names in a namespace, and characters of a name or a key
_NAMES_MAX, _CHARS_MAX = 32, 1024


class _Space:
    """The namespace of a request, as the caller names it, and as the guard has it: perhaps within another."""

    def __init__(self, named: Sequence[str], allowed: Any) -> None:
        self.all = tuple(allowed)
        before = len(self.all) - len(named)
        self._before = before if before > 0 and self.all[before:] == tuple(named) else 0

    def shown(self, namespace: Sequence[str]) -> list[str]:
        """A namespace of an item, as the caller names it."""
        return list(namespace[self._before :])


async def _space(ask: Ask, action: str, named: Sequence[str], **value: Any) -> _Space:
    if len(named) > _NAMES_MAX or any(len(name) > _CHARS_MAX for name in named):
        raise bad(f"A namespace has at most {_NAMES_MAX} names of at most {_CHARS_MAX} characters.")
    asked = await ask.allow("store", action, {"namespace": tuple(named), **value})
    return _Space(named, asked["namespace"])


def _store(ask: Ask) -> Any:
    store = ask.service.store
    if store is None:
        raise HttpError(501, "This gateway has no store.")
    return store


def _key(key: str) -> str:
    if not key or len(key) > _CHARS_MAX:
        raise bad(f"key must be a text of 1 to {_CHARS_MAX} characters.")
    return key


def _item(space: _Space, item: Any) -> Row:
    shown = {
        "namespace": space.shown(item.namespace),
        "key": item.key,
        "value": item.value,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }
    score = getattr(item, "score", None)
    return shown if score is None else {**shown, "score": score}


async def put(ask: Ask) -> Response:
    """Put an item, in place of the one that is there."""
    fields = ask.fields
    key, value = _key(fields.text("key")), fields.all.get("value")
    if not isinstance(value, dict):
        raise bad("value must be an object.")
    index: Any = fields.all.get("index")
    if index is not None and index is not False:
        index = fields.texts("index")
    ttl = fields.all.get("ttl")
    if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, (int, float)) or ttl < 0):
        raise bad("ttl must be a number of minutes.")
    space = await _space(ask, "put", fields.texts("namespace"), key=key, value=value)
    kept = {} if ttl is None else {"ttl": float(ttl)}
    await _store(ask).aput(space.all, key, value, index, **kept)
    return ask.nothing()


async def get(ask: Ask) -> Response:
    """An item; null if there is none."""
    query = ask.request.query_params
    named = [name for text in query.getlist("namespace") for name in text.split(".") if name]
    key = _key(query.get("key", ""))
    refresh = query_flag(query, "refresh_ttl") if "refresh_ttl" in query else None
    space = await _space(ask, "get", named, key=key)
    item = await _store(ask).aget(space.all, key, refresh_ttl=refresh)
    return ask.answer(None if item is None else _item(space, item))


async def delete(ask: Ask) -> Response:
    """Delete an item, if it is there."""
    fields = ask.fields
    key = _key(fields.text("key"))
    space = await _space(ask, "delete", fields.texts("namespace"), key=key)
    await _store(ask).adelete(space.all, key)
    return ask.nothing()


async def search(ask: Ask) -> Response:
    """Items under a namespace, by a filter on their values or by what is like a text."""
    fields = ask.fields
    named = fields.texts("namespace_prefix")
    query, limit, offset = fields.text("query") or None, fields.count("limit", 10), fields.count("offset", 0)
    asked = {"filter": fields.dict("filter") or None, "query": query, "limit": limit, "offset": offset}
    space = await _space(ask, "search", named, **asked)
    refresh = fields.flag("refresh_ttl") if "refresh_ttl" in fields.all else None
    found = await _store(ask).asearch(space.all, **asked, refresh_ttl=refresh)
    return ask.answer({"items": [_item(space, item) for item in found]})


async def namespaces(ask: Ask) -> Response:
    """Which namespaces there are."""
    fields: Fields = ask.fields
    prefix, suffix = fields.texts("prefix"), fields.texts("suffix")
    depth = fields.count("max_depth", 0, _NAMES_MAX) or None
    limit, offset = fields.count("limit", 100), fields.count("offset", 0)
    space = await _space(ask, "list_namespaces", prefix, suffix=tuple(suffix), max_depth=depth)
    if depth is not None:
        depth += len(space.all) - len(prefix)
    found = await _store(ask).alist_namespaces(
        prefix=space.all or None, suffix=tuple(suffix) or None, max_depth=depth, limit=limit, offset=offset
    )
    return ask.answer({"namespaces": [space.shown(namespace) for namespace in found]})
