"""Reply codes of a mail server against the six receipts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.messages import ReceiptKind, Scope
from fzalert_mail.codes import Stage, classify, is_mapped

T, P, D = ReceiptKind.TEMPORARY, ReceiptKind.PERMANENT, ReceiptKind.CHANNEL_DOWN


@pytest.mark.parametrize(
    ("stage", "code", "kind", "scope"),
    [
        (Stage.RCPT, 550, P, Scope.RECIPIENT),
        (Stage.RCPT, 551, P, Scope.RECIPIENT),
        (Stage.RCPT, 553, P, Scope.RECIPIENT),
        (Stage.RCPT, 552, T, Scope.RECIPIENT),
        (Stage.RCPT, 452, T, Scope.RECIPIENT),
        (Stage.RCPT, 450, T, Scope.RECIPIENT),
        (Stage.RCPT, 451, T, Scope.MESSAGE),
        (Stage.MAIL, 550, P, Scope.BINDING),
        (Stage.MAIL, 530, D, Scope.CHANNEL),
        (Stage.MAIL, 421, D, Scope.CHANNEL),
        (Stage.DATA, 421, D, Scope.CHANNEL),
        (Stage.DATA, 552, P, Scope.MESSAGE),
        (Stage.DATA, 554, P, Scope.MESSAGE),
        (Stage.DATA, 550, P, Scope.MESSAGE),
        (Stage.DATA, 451, T, Scope.MESSAGE),
    ],
)
def test_the_table(stage: Stage, code: int, kind: ReceiptKind, scope: Scope) -> None:
    receipt = classify(stage, code)
    assert (receipt.kind, receipt.scope, receipt.code) == (kind, scope, str(code))
    assert is_mapped(code)


def test_the_enhanced_code_is_shown_and_the_server_s_words_are_not() -> None:
    receipt = classify(Stage.RCPT, 550, "5.1.1 <li.wei@bank.example> unknown")
    assert receipt.code == "550 5.1.1"
    assert "li.wei" not in repr(receipt)


@given(st.sampled_from(Stage), st.integers(0, 999), st.text(max_size=30))
def test_every_answer_has_a_receipt_and_no_refusal_reads_as_sent(
    stage: Stage, code: int, text: str
) -> None:
    receipt = classify(stage, code, text)
    assert receipt.kind is not ReceiptKind.SENT
    assert receipt.detail
    if not is_mapped(code):
        expected = {4: T, 5: P}.get(code // 100, ReceiptKind.UNKNOWN)
        assert receipt.kind is expected
