"""Every test that takes `other` runs once for each engine under test (see
`engines.engines_under_test`).
"""

import pytest

from .engines import engines_under_test


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "other" in metafunc.fixturenames:
        metafunc.parametrize("other", list(engines_under_test()), ids=lambda engine: engine.name)
