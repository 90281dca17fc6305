"""Views: pure functions from the facts of a run to what each stream mode yields."""

from drumline.views.shapes import MODES, parse_modes
from drumline.views.view import View

__all__ = ["MODES", "View", "parse_modes"]
