"""What a coordinator or worker tells the garbage collector, and what it leaves to the app."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

TELL = """
import gc, json
gc.set_threshold({young}, 10, 10)
from drumline.cli import serve
serve._tune_garbage_collector()
print(json.dumps([gc.get_threshold()[0], gc.get_freeze_count()]))
"""


@pytest.mark.parametrize(("young", "then"), [(700, 20_000), (50_000, 50_000), (0, 0)])
def test_imports_are_frozen_and_a_higher_threshold_of_the_app_stays(young: int, then: int) -> None:
    told = subprocess.run([sys.executable, "-c", TELL.format(young=young)], check=True, capture_output=True, text=True)
    threshold, frozen = json.loads(told.stdout)
    assert threshold == then
    assert frozen > 1_000
