"""The config that LangChain's runnables find: built at the first look, whatever way somebody looks."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from drumline_worker.late_config import LateConfig

CONFIG = {"tags": ["a"], "metadata": {"n": 1}}


def late() -> Any:
    return LateConfig(lambda: dict(CONFIG))


def as_keywords(**config: Any) -> dict[str, Any]:
    return config


def merged(into: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    into |= config
    return into


def updated(into: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    into.update(config)
    return into


WAYS: dict[str, Callable[[Any], Any]] = {
    "items": lambda config: dict(config.items()),
    "keys": lambda config: {key: CONFIG[key] for key in config.keys()},  # noqa: SIM118
    "iteration": lambda config: {key: CONFIG[key] for key in config},
    "dict": dict,
    "display": lambda config: {**config},
    "keywords": lambda config: as_keywords(**config),
    "or": lambda config: config | {},
    "or, right": lambda config: {} | config,
    "ior, right": lambda config: merged({}, config),
    "update of another": lambda config: updated({}, config),
    "get": lambda config: {"tags": config.get("tags"), "metadata": config.get("metadata")},
    "subscript": lambda config: {"tags": config["tags"], "metadata": config["metadata"]},
    "truth": lambda config: dict(CONFIG) if config else {},
    "length": lambda config: dict(CONFIG) if len(config) == 2 else {},
    "in": lambda config: dict(CONFIG) if "tags" in config else {},
    "equal": lambda config: dict(CONFIG) if config == CONFIG else {},
    "unequal": lambda config: {} if config != CONFIG else dict(CONFIG),
    "copy": lambda config: config.copy(),
    "shallow copy": copy.copy,
    "deep copy": copy.deepcopy,
    "pickle": lambda config: pickle.loads(pickle.dumps(config)),
    "repr": lambda config: dict(CONFIG) if repr(config) == repr(CONFIG) else {},
}


@pytest.mark.parametrize("way", WAYS)
def test_every_look_finds_it_built(way: str) -> None:
    assert WAYS[way](late()) == CONFIG


def test_it_is_built_once_and_may_be_changed() -> None:
    made: list[int] = []

    def make() -> dict[str, Any]:
        made.append(1)
        return dict(CONFIG)

    config = LateConfig(make)
    assert not made
    config["more"] = 1
    assert config.pop("tags") == ["a"]
    assert config == {"metadata": {"n": 1}, "more": 1}
    assert made == [1]


def test_every_method_of_dict_is_covered() -> None:
    """A method that a later Python gives to dict has to be added."""
    own = {"__class_getitem__", "__class__", "__new__", "__init__", "__hash__", "__getattribute__", "fromkeys"}
    assert set(vars(dict)) - own - set(vars(LateConfig)) - {"__doc__"} == set()
