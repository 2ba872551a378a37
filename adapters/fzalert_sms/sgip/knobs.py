"""What the simulated SGIP gateway does, beyond what every simulated gateway can do."""

from __future__ import annotations

from dataclasses import dataclass, field

from fzalert_sms.carrier.simulator.knobs import Knobs as CarrierKnobs


@dataclass(frozen=True, slots=True)
class Knobs(CarrierKnobs):
    """Behaviour of the simulated gateway.

    Reports are written in one way; `report_form` has no effect but for other, which leaves out the
    country code. `answers_tests`, `gives_ids` and `keep_alive` have none: SGIP has no such thing.

    Attributes:
        deliver_host: Where the service provider listens.
        deliver_port: The same; 0 keeps what there is to deliver.
        deliver_account: Login name for it.
        deliver_secret: Its password.
        deliver_type: Login type for it.
        deliver_connections: Connections for deliveries at once.
        needs_86: Refuse a number without the country code (6).
        remembers: Whether a sequence that comes again is known: identical it is taken and thrown
            away, with another text it is refused (9).
        answers_repeats: The result of an identical repeat; 0 is the text, some answer 9.
    """

    accounts: dict[str, str] = field(default_factory=lambda: {"fzalert": "shared"})
    window: int = 32
    idle_close: float = 60.0
    deliver_host: str = "127.0.0.1"
    deliver_port: int = 0
    deliver_account: str = "gateway"
    deliver_secret: str = "shared"  # noqa: S105  a simulator's made-up password
    deliver_type: int = 2
    deliver_connections: int = 1
    needs_86: bool = True
    remembers: bool = True
    answers_repeats: int = 0
