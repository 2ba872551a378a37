"""The one place where it is decided whether something may be done: pure, total, explained.

`decide` looks at a case, at what is asked, at the policy and the clock, and answers with the events
that follow or with every guard that is not met. It does no I/O and knows no store.
"""

from fzalert.freeze.decide import answering, approving, ending, opening, preparing
from fzalert.freeze.decide.core import Decision, Refusal, Refusals, decide
from fzalert.freeze.decide.graph import LEGAL, allowed_kinds

__all__ = [
    "LEGAL",
    "Decision",
    "Refusal",
    "Refusals",
    "allowed_kinds",
    "answering",
    "approving",
    "decide",
    "ending",
    "opening",
    "preparing",
]
