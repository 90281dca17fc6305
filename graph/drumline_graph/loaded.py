"""Libraries that are looked at only if somebody else has imported them: langchain-core, pydantic, httpx, requests.

`sys.modules` shows a module from the first line of its import on, while another thread still runs that import: half of
its names are missing then. Whoever needs such a module only if it is there asks `loaded`.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

#: modules that were seen whole: looking them up costs two dictionary reads
_whole: dict[str, ModuleType] = {}


def loaded(name: str) -> Any:
    """The module, if somebody has imported it; None if not. Imports nothing.

    Waits for another thread that is importing it. None also for a module that the calling thread is about to import:
    nothing of it can be in use yet.
    """
    module = sys.modules.get(name)
    if module is None or _whole.get(name) is module:
        return module
    try:
        importlib.import_module(name)  # it is in `sys.modules`, so this only waits
    except ImportError:  # the other thread failed, and took it away
        return None
    module = sys.modules.get(name)
    if module is None or getattr(getattr(module, "__spec__", None), "_initializing", False):
        return None
    _whole[name] = module
    return module


def present(name: str) -> Any:
    """The module as it is now, even half imported; None if nobody has begun to. For the names that it has so far."""
    return sys.modules.get(name)
