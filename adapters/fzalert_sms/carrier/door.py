"""What may go out at all: refuses what this channel can never send, and makes rows of the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fzalert.messages import Lane, Receipt, ReceiptKind, Scope, SmsText, TargetKind
from fzalert.ports import Submission, Wire
from fzalert_sms.carrier.account import Account, Clock

_FREQUENT = Receipt(
    ReceiptKind.PERMANENT,
    Scope.RECIPIENT,
    detail="状态报告显示此号码今日已达上限 · a report said that the number has had its limit for"
    " today",
)


_PHONE = TargetKind.PHONE


class Row(NamedTuple):
    """One part that may be written.

    Attributes:
        id: The message.
        part: Its part.
        number: The phone as the gateway wants it.
        rendition: The whole text.
        not_after: Worthless from here on, milliseconds since the epoch.
        previous_key: Wire key of the attempt before; empty where there was none.
    """

    id: int
    part: int
    number: bytes
    rendition: SmsText
    not_after: int
    previous_key: bytes


class Door:
    """See the module.

    Args:
        write_number: Writes eleven digits as the gateway wants them.
        account: What is known of numbers.
        clock: Reader of time.
        counts: Where a refusal is counted, under `refused`.
    """

    def __init__(
        self,
        write_number: Callable[[str], bytes],
        account: Account,
        clock: Clock,
        counts: dict[str, int],
    ) -> None:
        self._account = account
        self._clock = clock
        self._counts = counts
        self._write_number = write_number

    def admit(self, batch: Sequence[Submission], wire: Wire) -> list[Row]:
        """Refuse what can never go out; return the rest as rows."""
        rows: list[Row] = []
        # An urgent warning is tried all the same: the limit may have ended since.
        frequent: dict[str, str] = {}
        if batch[0].lane is Lane.BULK:
            frequent = self._account.frequent.stats_of_today(self._clock.millis())
        for submission in batch:
            target, rendition = submission.target, submission.rendition
            refusal = ""
            number = target.address
            if target.kind is not _PHONE:
                refusal = f"此通道不送 {target.kind} · this channel serves no {target.kind}"
            elif not isinstance(rendition, SmsText):
                refusal = f"此通道不送 {rendition.kind} · this channel takes no {rendition.kind}"
            elif not 0 <= submission.part < len(rendition.parts):
                refusal = "没有这一条 · there is no such part"
            elif not (len(number) == 14 and number.startswith("+86") and number[1:].isdigit()):
                refusal = "不是境内手机号 · no mainland mobile number"
            elif frequent and number in frequent:
                self._counts["refused"] += 1
                receipt = _FREQUENT._replace(code=frequent[number])
                wire.settle(submission.id, submission.part, receipt)
            else:
                digits = self._write_number(number[3:])
                rows.append(
                    Row(
                        submission.id,
                        submission.part,
                        digits,
                        rendition,
                        submission.not_after,
                        submission.previous_key,
                    )
                )
            if refusal:
                self.refuse(submission.id, submission.part, refusal, wire)
        return rows

    def refuse(self, id: int, part: int, words: str, wire: Wire) -> None:
        """Settle a part that this channel can never send."""
        self._counts["refused"] += 1
        wire.settle(id, part, Receipt(ReceiptKind.PERMANENT, code="not-sendable", detail=words))
