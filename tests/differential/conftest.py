"""Every test that takes `other` runs once for each engine under test (see
`engines.engines_under_test`). Tests for which the installed LangGraph is no oracle are skipped (see `drift`).
"""

import re

import pytest

from .drift import BEHAVIOUR, INSTALLED, IS_ELDER
from .engines import engines_under_test


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "other" in metafunc.fixturenames:
        metafunc.parametrize("other", list(engines_under_test()), ids=lambda engine: engine.name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not IS_ELDER:
        return
    for item in items:
        drift = next((why for name, why in BEHAVIOUR.items() if re.match(name, item.name)), None)
        if drift is not None and "differential" in item.path.parts:
            item.add_marker(pytest.mark.skip(reason=f"LangGraph {INSTALLED} is no oracle here: {drift}"))
