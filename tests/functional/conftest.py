"""After every decision of a machine, in every test of this folder, its state must agree with itself."""

from tests.soundness import states_are_sound

__all__ = ["states_are_sound"]
