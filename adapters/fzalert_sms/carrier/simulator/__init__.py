"""A simulated gateway for every protocol: knobs, judge, deliveries, and the raw log it keeps."""

from fzalert_sms.carrier.simulator.simulator import CarrierSimulator, SimulatorResult

__all__ = ["CarrierSimulator", "SimulatorResult"]
