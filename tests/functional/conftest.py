"""After every decision of a machine, in every test of this folder, its state must agree with itself."""

from tests.failures.conftest import _states_are_sound as _states_are_sound
