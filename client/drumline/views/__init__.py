"""Views: pure functions from the facts of a run to what each stream mode yields."""

from drumline.views.shapes import MODES, FinalOutput, parse_modes
from drumline.views.view import View

__all__ = ["MODES", "FinalOutput", "View", "parse_modes"]
