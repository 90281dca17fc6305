"""Of every run of the tests: what is there before the first test is not looked at by the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests and all that they import are found: nothing of it is garbage, and all of it stays.

    A collector that ran meanwhile would walk these two million objects again and again.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
