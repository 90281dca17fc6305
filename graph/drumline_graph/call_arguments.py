"""The arguments of a call of a `@task` by the names of its parameters, as tracers show them. Pure."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any


def signature_of(function: Any) -> inspect.Signature | None:
    """The signature of a function; None for a builtin that does not tell."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def named_by_signature(
    signature: inspect.Signature | None, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """What LangGraph's tracers are shown: defaults too, and what `**kwargs` takes as if it were parameters."""
    if signature is None:
        return named_by_params((), args, kwargs)
    try:
        bound = signature.bind_partial(*args, **kwargs)
    except TypeError:  # the call itself will say what is wrong
        return named_by_params((), args, kwargs)
    bound.apply_defaults()
    arguments = _without_owner(bound.arguments)
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments |= arguments.pop(name, {})
    return arguments


def params_of(signature: inspect.Signature | None, args: Sequence[Any]) -> tuple[str, ...]:
    """The names of the parameters that these arguments by position fill; one that takes the rest begins with a star."""
    found: list[str] = []
    for name, parameter in () if signature is None else signature.parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            found.append(f"*{name}")
            break
        if len(found) == len(args) or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
            break
        found.append(name)
    return tuple(found)


def named_by_params(params: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The same where the function is not at hand, by what `params_of` has told: without defaults."""
    if len(params) < len(args) and not (params and params[-1].startswith("*")):
        return {"args": list(args), **kwargs}
    named = {name: args[at] for at, name in enumerate(params) if at < len(args) and not name.startswith("*")}
    if params and params[-1].startswith("*"):
        named[params[-1][1:]] = tuple(args[len(params) - 1 :])
    return _without_owner(named) | dict(kwargs)


def _without_owner(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Without the object, or the class, whose method is called: LangGraph's tracers are not shown it."""
    return {name: value for name, value in arguments.items() if name not in ("self", "cls")}
