"""Fake banks (模拟): real desks whose core banking is a seeded scenario.

A fake bank is a `DeskService` with a store, keys and doors of its own; only what stands behind its
hook is made up. It keeps a raw log of what came in and of what it did, so that a test or a drill
counts what the banks saw and not what the sender believes.
"""

from fzalert.desk.simulation.bank import FakeBank
from fzalert.desk.simulation.rawlog import RawLog, count_log
from fzalert.desk.simulation.scenario import Does, Scenario, read_scenario

__all__ = ["Does", "FakeBank", "RawLog", "Scenario", "count_log", "read_scenario"]
