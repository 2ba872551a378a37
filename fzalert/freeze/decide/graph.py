"""The legal graph: in which state which instruction may be prepared, and which steps exist."""

from __future__ import annotations

from collections.abc import Mapping

from fzalert.freeze.model import InstructionKind, Measure, MeasureState, Stage

__all__ = ["LEGAL", "allowed_kinds"]

_S = MeasureState

LEGAL: Mapping[InstructionKind, frozenset[MeasureState]] = {
    InstructionKind.STOP: frozenset({_S.DRAFT}),
    InstructionKind.EXTEND: frozenset({_S.STOPPED}),
    # From a draft or a refusal too: an account that others hold is frozen in turn (轮候).
    InstructionKind.FREEZE: frozenset({_S.STOPPED, _S.DRAFT, _S.REFUSED}),
    InstructionKind.RENEW: frozenset({_S.FROZEN, _S.QUEUED}),
    InstructionKind.RELEASE: frozenset({_S.STOPPED, _S.FROZEN, _S.QUEUED}),
    InstructionKind.RETURN: frozenset({_S.FROZEN}),
}
"""States in which an instruction of each kind may be prepared."""


def allowed_kinds(measure: Measure) -> frozenset[InstructionKind]:
    """What may be prepared now; nothing while another instruction is in progress."""
    if measure.current is not None and measure.current.stage is not Stage.ANSWERED:
        return frozenset()
    return frozenset(kind for kind, states in LEGAL.items() if measure.state in states)
