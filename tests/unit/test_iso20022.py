"""camt.056 out, camt.029 in: what was approved is written, what is hostile is not read.

The messages of the other side are written here by hand, not by the code under test.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import pyiso20022.camt.camt_056_001_08 as camt056
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fzalert
from fzalert.freeze.iso20022 import ResolutionStatus, read_resolution, write_cancellation
from fzalert.freeze.iso20022.cancellation import CANCELLATION
from fzalert.freeze.iso20022.messages import LARGEST, flaws, parse
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.package import Package, package_hashes, write_package
from fzalert.freeze.results import Grade
from fzalert.freeze.values import Transfer
from tests.unit.freezing import BANK, CARD, OTHER_BANK, transfer
from tests.unit.test_freeze_package import approved, built

NOW = datetime(2026, 11, 24, 9, 0, 5, 123456, tzinfo=UTC)
PACKAGE = built(approved())
UETR = "eb6305c9-1f7f-49de-aed0-16487c27b42d"


def cancellation(package: Package = PACKAGE) -> camt056.FitoFipaymentCancellationRequestV08:
    xml = write_cancellation(package, NOW)
    return parse(xml, camt056.Document, CANCELLATION).fito_fipmt_cxl_req


def answer(
    status: str = "CNCL",
    *,
    case: str = "app-1",
    account: str = CARD,
    bank: str = BANK,
    details: str = "",
    more: str = "",
) -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.029.001.09">
 <RsltnOfInvstgtn>
  <Assgnmt>
   <Id>ANSWER-1</Id>
   <Assgnr><Agt><FinInstnId><ClrSysMmbId><ClrSysId><Cd>CNAPS</Cd></ClrSysId>
    <MmbId>{bank}</MmbId></ClrSysMmbId></FinInstnId></Agt></Assgnr>
   <Assgne><Pty><Nm>青山县公安局</Nm></Pty></Assgne>
   <CreDtTm>2026-11-24T09:01:00Z</CreDtTm>
  </Assgnmt>
  <RslvdCase><Id>{case}</Id><Cretr><Pty><Nm>青山县公安局</Nm></Pty></Cretr></RslvdCase>
  <Sts><Conf>{status}</Conf></Sts>
  <CxlDtls><TxInfAndSts>{details}<OrgnlTxRef><CdtrAcct><Id><Othr><Id>{account}</Id></Othr></Id>
   </CdtrAcct></OrgnlTxRef></TxInfAndSts></CxlDtls>{more}
 </RsltnOfInvstgtn>
</Document>""".encode()


def reason(code: str = "", own: str = "", note: str = "") -> str:
    word = f"<Prtry>{own}</Prtry>" if own else f"<Cd>{code}</Cd>"
    info = f"<AddtlInf>{note}</AddtlInf>" if note else ""
    return f"<CxlStsRsnInf><Rsn>{word}</Rsn>{info}</CxlStsRsnInf>"


# -- out ---------------------------------------------------------------------------------------


def test_a_package_becomes_one_request_about_one_account() -> None:
    found = cancellation()
    assert (found.assgnmt.id, found.case and found.case.id) == ("app-1", "app-1")
    member = found.assgnmt.assgne.agt.fin_instn_id.clr_sys_mmb_id
    assert member is not None
    assert member.clr_sys_id is not None
    assert (member.clr_sys_id.cd, member.mmb_id) == ("CNAPS", BANK)
    (group,) = found.undrlyg
    (paid,) = group.tx_inf
    (why,) = paid.cxl_rsn_inf
    assert why.rsn is not None
    assert why.rsn.cd == "FRAD"
    sha256 = package_hashes(write_package(PACKAGE))[0]
    assert why.addtl_inf == ["FZ.STOP", f"package sha256 {sha256}", "for 48 hours from its start"]
    assert paid.orgnl_intr_bk_sttlm_amt is not None
    assert paid.orgnl_intr_bk_sttlm_amt.value == Decimal(50000)
    assert str(found.assgnmt.cre_dt_tm) == "2026-11-24T09:00:05Z"


def test_only_what_the_bank_may_see_is_in_it() -> None:
    text = write_cancellation(PACKAGE, NOW).decode()
    assert CARD in text
    for secret in ("11010519491231002X", "13800138000", "王一", "P0001", "13800138001"):
        assert secret not in text


@pytest.mark.parametrize("kind", [InstructionKind.RELEASE, InstructionKind.RETURN])
def test_what_camt_056_cannot_ask_is_refused(kind: InstructionKind) -> None:
    measure = PACKAGE.measure.model_copy(update={"kind": kind})
    with pytest.raises(fzalert.InputError, match="only an instruction to stop or freeze"):
        write_cancellation(PACKAGE.model_copy(update={"measure": measure}), NOW)


def test_what_the_schema_does_not_take_is_refused_and_not_cut_off() -> None:
    long = PACKAGE.model_copy(update={"application_id": "a" * 36})
    with pytest.raises(fzalert.InputError, match="longer than 35"):
        write_cancellation(long, NOW)
    wide = PACKAGE.account.model_copy(update={"number": "6" * 40})
    with pytest.raises(fzalert.InputError, match="longer than 34"):
        write_cancellation(PACKAGE.model_copy(update={"account": wide}), NOW)
    wallet = PACKAGE.account.model_copy(update={"bank_code": "", "institution": "alipay"})
    with pytest.raises(fzalert.InputError, match="clearing code"):
        write_cancellation(PACKAGE.model_copy(update={"account": wallet}), NOW)


cents = st.integers(1, 10**13 - 1).map(lambda n: Decimal(n) / 100)
words = st.text("张三李四王五ABC abc&<>\"'", min_size=1, max_size=60).filter(
    lambda text: text == text.strip()
)
serials = st.lists(
    st.from_regex(r"[0-9A-Za-z_\-]{4,64}", fullmatch=True) | st.just(UETR), max_size=4, unique=True
)


@given(st.lists(st.tuples(cents, serials, words), min_size=1, max_size=4), words, st.booleans())
def test_whatever_is_written_is_read_back(
    paid: list[tuple[Decimal, list[str], str]], holder: str, drill: bool
) -> None:
    inflow = tuple(
        transfer(str(amount)).model_copy(update={"serials": tuple(found), "from_name": name})
        for amount, found, name in paid
    )
    account = PACKAGE.account.model_copy(update={"name": holder})
    package = PACKAGE.model_copy(update={"inflow": inflow, "account": account, "drill": drill})
    found = cancellation(package)
    assert list(flaws(found)) == []
    (group,) = found.undrlyg
    assert len(group.tx_inf) == len(inflow)
    for one, sent in zip(group.tx_inf, inflow, strict=True):
        _same(one, sent, package)
    assert found.ctrl_data is not None
    assert found.ctrl_data.ctrl_sum == sum(amount for amount, _, _ in paid)


def _same(one: camt056.PaymentTransaction106, sent: Transfer, package: Package) -> None:
    amount, reference = one.orgnl_intr_bk_sttlm_amt, one.orgnl_tx_ref
    assert amount is not None
    assert (amount.value, amount.ccy) == (sent.amount, sent.currency)
    assert reference is not None
    assert reference.cdtr is not None
    assert reference.cdtr.pty is not None
    assert reference.cdtr.pty.nm == package.account.name
    notes = one.cxl_rsn_inf[0].addtl_inf
    assert ("DRILL 演练: nothing is to be stopped" in notes) is package.drill
    told = {one.orgnl_tx_id, one.orgnl_uetr, *(n.removeprefix("serial ") for n in notes)}
    assert set(sent.serials) <= told


# -- in ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("xml", "status", "code"),
    [
        (answer("CNCL"), "CNCL", "0000"),
        (answer("CNCL", details=reason(own="1200")), "CNCL", "1200"),
        (answer("CNCL", details="<TxCxlSts>ACCR</TxCxlSts>"), "CNCL", "0000"),
        (answer("PDCR"), "PDCR", ""),
        (answer("RJCR"), "RJCR", "1300"),
        (answer("RJCR", details=reason("NOOR")), "RJCR", "0400"),
        (answer("RJCR", details=reason("LEGL", note="court order")), "RJCR", "1300"),
        (answer("RJCR", details=reason("ZZZZ")), "RJCR", "1300"),
        (answer("RJCR", details=reason(own="0301")), "RJCR", "0301"),
        (answer("RJCR", details=reason(own="1301")), "RJCR", "1301"),
    ],
)
def test_a_resolution_becomes_a_receipt(xml: bytes, status: str, code: str) -> None:
    found = read_resolution(xml, PACKAGE)
    assert found.status == ResolutionStatus(status)
    assert (found.message_id, found.sender) == ("ANSWER-1", BANK)
    if not code:
        assert found.receipt is None
        return
    receipt = found.receipt
    assert receipt is not None
    assert (receipt.application_id, receipt.code, receipt.account_number) == ("app-1", code, CARD)
    assert receipt.grade is Grade.AUTHENTICATED
    assert re.fullmatch(r"camt\.029 ANSWER-1 sha256:[0-9a-f]{64}", receipt.proof)
    assert receipt.started_at is None
    assert bool(receipt.cause) is (status == "RJCR" or b"AddtlInf" in xml)


def test_the_reason_stands_in_the_cause() -> None:
    found = read_resolution(answer("RJCR", details=reason("LEGL", note="court order")), PACKAGE)
    assert found.receipt is not None
    assert found.receipt.cause == "LEGL; court order"


def test_a_freeze_tells_how_much() -> None:
    measure = PACKAGE.measure.model_copy(
        update={"kind": InstructionKind.FREEZE, "mode": "01", "amount": Decimal(50000)}
    )
    package = PACKAGE.model_copy(update={"measure": measure})
    amount = '<OrgnlIntrBkSttlmAmt Ccy="CNY">20000.50</OrgnlIntrBkSttlmAmt>'
    found = read_resolution(answer(details=reason(own="1200") + amount), package)
    assert found.receipt is not None
    assert found.receipt.frozen == Decimal("20000.50")


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        (answer(case="app-2"), "not about this request"),
        (answer(account="6222020000000000000"), "another account"),
        (answer(bank=OTHER_BANK), "another bank"),
        (answer("MODI"), "no status that is known"),
        (answer("CNCL", details="<TxCxlSts>RJCR</TxCxlSts>"), "two things at once"),
        (answer("RJCR", details=reason(own="0000")), "do not agree"),
        (answer("CNCL", details=reason(own="0301")), "do not agree"),
        (answer("RJCR", details=reason(own="0300") + reason(own="0301")), "several result codes"),
        (answer("TOOLONG"), "longer than 4"),
        (answer(details="<Unknown>1</Unknown>"), "does not fit its schema"),
        (answer(details="<TxCxlSts>NOPE</TxCxlSts>"), "does not fit its schema"),
        (answer().replace(b"camt.029.001.09", b"camt.029.001.03"), r"not camt\.029\.001\.09"),
        (answer()[:-20], "well-formed"),
        (b"", "well-formed"),
        (b"no xml", "well-formed"),
        (answer().replace(b"<Sts><Conf>CNCL</Conf></Sts>", b"<Sts></Sts>"), "exactly one"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(xml: bytes, words: str) -> None:
    with pytest.raises(fzalert.InputError, match=words) as caught:
        read_resolution(xml, PACKAGE)
    assert CARD not in str(caught.value)


def test_a_message_alone_is_never_signed() -> None:
    with pytest.raises(fzalert.InputError, match="grade A"):
        read_resolution(answer(), PACKAGE, grade=Grade.SIGNED)


LAUGHS = (
    '<!DOCTYPE d [<!ENTITY a0 "ha">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9))
    + "]>"
)


@pytest.mark.parametrize(
    "head",
    [
        LAUGHS,
        '<!DOCTYPE d SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE d [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]>',
        "<!doctype d>",
    ],
)
def test_hostile_xml_is_refused(head: str) -> None:
    xml = answer().decode().replace("?>", f"?>{head}", 1)
    with pytest.raises(fzalert.InputError, match="document type or an entity"):
        read_resolution(xml.encode(), PACKAGE)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-7", "cp037"])
def test_another_encoding_hides_nothing(encoding: str) -> None:
    text = answer().decode().replace("?>", f"?>{LAUGHS}", 1)
    xml = text.replace("UTF-8", encoding).encode(encoding, "xmlcharrefreplace")
    with pytest.raises(fzalert.InputError):
        read_resolution(xml, PACKAGE)


def test_size_and_depth_have_limits() -> None:
    padded = answer() + b" " * LARGEST
    with pytest.raises(fzalert.InputError, match="longer than"):
        read_resolution(padded, PACKAGE)
    deep = answer(details="<a>" * 60 + "</a>" * 60)
    with pytest.raises(fzalert.InputError, match="nested too deep"):
        read_resolution(deep, PACKAGE)


@given(st.binary(max_size=400), st.integers(0, 1200))
def test_rubbish_is_an_input_error_and_nothing_else(rubbish: bytes, place: int) -> None:
    whole = answer()
    for xml in (rubbish, whole[:place] + rubbish + whole[place:]):
        try:
            read_resolution(xml, PACKAGE)
        except fzalert.InputError:
            continue
        assert rubbish.strip() == b"" or xml != rubbish
