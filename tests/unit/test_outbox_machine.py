"""Random histories of the engine over the SQLite store, shortened where a law is broken."""

from hypothesis import HealthCheck, settings

from fzalert.testing.sim.machine import OutboxMachine
from fzalert.testing.soak import rounds

TestOutbox = OutboxMachine.TestCase
TestOutbox.settings = settings(
    max_examples=rounds(60, 2000),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
