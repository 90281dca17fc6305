"""One-rule mutations of drumline's source: what a careful reviewer would fear, applied one by one.

`python -m tests.mutants` (or `make mutants`) runs the relevant tests against each. A mutation that no test notices is
a rule that nothing guards.
"""
