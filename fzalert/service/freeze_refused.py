"""What is put on record of an input that a form refused: names of fields of ours, never a value.

A key that somebody typed may itself be a name or a number of a person; it becomes a question mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import get_args

from pydantic import BaseModel

from fzalert.freeze.events import AllocationData, TermsData
from fzalert.freeze.results import Outflow, Receipt
from fzalert.freeze.values import Account, CaseReport, Duty, Filing, Officer, Transfer, Victim
from fzalert.service import freeze_models as asks

__all__ = ["told_fields"]

_VALUES: tuple[type[BaseModel], ...] = (
    *(Account, AllocationData, CaseReport, Duty, Filing, Officer),
    *(Outflow, Receipt, TermsData, Transfer, Victim),
    *get_args(get_args(asks.FreezeAsk)[0]),
)
_NAMES = frozenset(name for model in _VALUES for name in model.model_fields) | {
    *("documents", "accounts", "file", "key", "token-file", "document"),
}
_MOST = 20


def told_fields(fields: Iterable[str]) -> list[str]:
    """The fields as they may stand on record, at most twenty.

    >>> told_fields(["inflow/0/amount", "13800138000", "accounts.1.zhangsan"])
    ['inflow.0.amount', '?', 'accounts.1.?']
    """
    return [_told(one) for one in fields if one][:_MOST]


def _told(field: str) -> str:
    steps = re.split(r"[./]", field.strip("/"))
    return ".".join(
        step if step in _NAMES or re.fullmatch(r"[0-9]{1,3}", step) else "?" for step in steps
    )
