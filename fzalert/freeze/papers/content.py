"""What a paper says: built from the very package that the institution gets over the wire.

Forms and their sources: 紧急止付申请表 (银发〔2016〕86号); 协助冻结, 解除冻结 and 继续冻结
财产通知书 with their receipts (公安机关办理刑事案件程序规定 第239、241、243条); 协助返还通知书
(银监发〔2016〕41号); the owner's notice (反电信网络诈骗法 第32条); and the pre-alert, which binds
nobody.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypedDict
from zoneinfo import ZoneInfo

from fzalert.errors import InputError
from fzalert.freeze.codes import amount_in_words
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.package import DocumentKind, Package, package_hashes, write_package
from fzalert.freeze.values import AccountKind, HolderType, Rank, TransferChannel

__all__ = ["Paper", "PaperKind", "paper_content"]

_CHINA = ZoneInfo("Asia/Shanghai")


class PaperKind(enum.StrEnum):
    """Which paper."""

    INSTRUCTION = "instruction"
    """The one that the package's kind asks for."""
    PRE_ALERT = "pre_alert"
    OWNER_NOTICE = "owner_notice"


class Row(TypedDict):
    """A titled block of rows."""

    title: str
    rows: list[tuple[str, str]]


class Signer(TypedDict):
    """One officer on the paper."""

    role: str
    name: str
    certificate: str
    phone: str


class Paper(TypedDict):
    """Everything that one paper says; texts only."""

    title: str
    subtitle: str
    number: str
    unit: str
    to: str
    institution: str
    binding: str
    case_line: str
    application_id: str
    date: tuple[int, int, int]
    sha256: str
    policy: str
    drill: bool
    opening: list[str]
    sections: list[Row]
    closing: list[str]
    undertaking: str
    officers: list[Signer]
    duty_phone: str
    sealed: bool
    approved: str
    reply_title: str
    reply_opening: str
    reply: list[tuple[str, str]]
    reply_to: str


_TITLES = {
    InstructionKind.STOP: "紧急止付申请表",
    InstructionKind.EXTEND: "紧急止付延期申请表",
    InstructionKind.FREEZE: "协助冻结财产通知书",
    InstructionKind.RENEW: "协助继续冻结财产通知书",
    InstructionKind.RELEASE: "协助解除冻结财产通知书",
    InstructionKind.RETURN: "协助返还冻结资金通知书",
}
_RELEASE_STOP = "解除止付通知书"
_KINDS = {
    AccountKind.CARD: "银行卡",
    AccountKind.PASSBOOK: "存折账户",
    AccountKind.CORPORATE: "对公账户",
    AccountKind.PAYMENT: "支付账户",
}
_CHANNELS = {
    TransferChannel.COUNTER: "柜面",
    TransferChannel.ATM: "自助设备",
    TransferChannel.MOBILE: "手机银行",
    TransferChannel.ONLINE: "网上银行",
    TransferChannel.THIRD_PARTY: "第三方支付",
    TransferChannel.POS: "POS",
    TransferChannel.CASH: "现金",
    TransferChannel.OTHER: "其他",
}
_RANKS = {
    Rank.STATION: "派出所",
    Rank.COUNTY: "县级公安机关负责人",
    Rank.PREFECTURE: "设区的市级公安机关负责人",
    Rank.PROVINCE: "省级公安机关负责人",
}
_UNDERTAKING = (
    "以上内容真实。如有虚假报案，造成账户所有人损失的，由本人依法承担相应责任（银发〔2016〕86号）。"
)


def paper_content(
    package: Package, kind: PaperKind = PaperKind.INSTRUCTION, *, reply_to: str = ""
) -> Paper:
    """What the paper of a package says.

    Args:
        package: The very package that goes to the institution.
        kind: Which paper; the pre-alert needs a pre-alert package.
        reply_to: Fax number or address for the hand-filled receipt.

    Raises:
        InputError: The package is a pre-alert and the paper is not, or the other way round.
    """
    alert = package.document is DocumentKind.PRE_ALERT
    if alert != (kind is PaperKind.PRE_ALERT):
        raise InputError(
            "A pre-alert and a binding paper are different documents.",
            hint="Build the package as what it is to be printed as.",
            field="kind",
        )
    if kind is PaperKind.OWNER_NOTICE:
        return _owner_notice(package)
    paper = _frame(package)
    paper["sections"] = [_account(package), _inflow(package), *_measure(package)]
    if alert:
        return _pre_alert(package, paper)
    asked = package.measure.kind
    paper["opening"] = [_opening(package)]
    if asked is InstructionKind.STOP:
        paper["undertaking"] = _UNDERTAKING
    paper["closing"] = [
        "账号、户名、金额、时间有一项不一致的，请不予止付并注明原因。"
        if asked in {InstructionKind.STOP, InstructionKind.EXTEND}
        else "办理情况请填写回执。冻结期限届满未办理续冻的，视为自动解除冻结。"
        if asked in {InstructionKind.FREEZE, InstructionKind.RENEW}
        else "办理情况请填写回执。",
        "请对本通知内容保密，不得向账户所有人及无关人员泄露。"
        if asked not in {InstructionKind.RELEASE, InstructionKind.RETURN}
        else "",
    ]
    paper["closing"] = [text for text in paper["closing"] if text]
    paper["reply_title"] = f"{paper['title']}（回执）"
    paper["reply_opening"] = (
        f"你单位申请编号 {package.application_id} 的{paper['title']}收悉，办理情况如下："
    )
    paper["reply"] = _reply(package)
    paper["reply_to"] = reply_to or "传真或扫描件返回上述24小时值班联系方式。"
    return paper


def _frame(package: Package) -> Paper:
    case = package.case
    approval = package.approval
    title = _TITLES[package.measure.kind]
    if package.measure.kind is InstructionKind.RELEASE and package.message_code == "100103":
        title = _RELEASE_STOP
    sha256, _ = package_hashes(write_package(package))
    institution = package.account.bank_name or package.account.institution
    created = package.created_at.astimezone(_CHINA)
    return Paper(
        title=title,
        subtitle="",
        number=f"案件编号 {case.case_number}"
        if case.case_number
        else f"接报编号 {case.report_number}",
        unit=package.sender.unit_name,
        to=institution,
        institution=institution,
        binding="具有法律约束力的指令",
        case_line=f"接报编号 {case.report_number}",
        application_id=package.application_id,
        date=(created.year, created.month, created.day),
        sha256=sha256,
        policy=package.policy,
        drill=package.drill,
        opening=[],
        sections=[],
        closing=[],
        undertaking="",
        officers=[
            Signer(
                role="经办人" if officer.role == "handling" else "协查人",
                name=officer.name,
                certificate=officer.certificate,
                phone=officer.phone,
            )
            for officer in package.officers
        ],
        duty_phone=package.sender.duty_phone,
        sealed=approval is not None,
        approved=""
        if approval is None
        else f"{_RANKS[approval.rank]}批准 {_moment(approval.approved_at)}",
        reply_title="",
        reply_opening="",
        reply=[],
        reply_to="",
    )


def _opening(package: Package) -> str:
    basis = "、".join(package.case.legal_basis)
    by_law = f"根据{basis}，" if basis else "根据《中华人民共和国反电信网络诈骗法》第二十条，"
    asked = {
        InstructionKind.STOP: "请对下列账户予以紧急止付（只收不付）。",
        InstructionKind.EXTEND: "请对下列账户延长紧急止付。",
        InstructionKind.FREEZE: "请协助冻结下列财产。",
        InstructionKind.RENEW: "请协助继续冻结下列财产。",
        InstructionKind.RELEASE: "请协助解除对下列账户的措施。",
        InstructionKind.RETURN: "请协助将下列冻结资金返还被害人。",
    }[package.measure.kind]
    return f"因办理{package.case.kind}案件需要，{by_law}{asked}"


def _account(package: Package) -> Row:
    account = package.account
    rows = [
        ("账号", account.number),
        ("户名", account.name),
        (
            "种类",
            f"{'个人' if account.holder is HolderType.PERSON else '单位'} {_KINDS[account.kind]}",
        ),
        ("开户机构", account.bank_name or account.institution),
    ]
    if account.bank_code:
        rows.append(("行号", account.bank_code))
    if account.login_hint:
        rows.append(("登录标识", account.login_hint))
    return Row(title="一、涉案账户", rows=rows)


def _inflow(package: Package) -> Row:
    rows: list[tuple[str, str]] = []
    for number, transfer in enumerate(package.inflow, 1):
        mark = f"（{number}）" if len(package.inflow) > 1 else ""
        rows += [
            (f"转入金额{mark}", _money(transfer.amount, transfer.currency)),
            (f"转账时间{mark}", _moment(transfer.at, seconds=True)),
            (
                f"付款方{mark}",
                " ".join(
                    part
                    for part in (transfer.from_name, transfer.from_bank, transfer.from_account)
                    if part
                ),
            ),
            (f"交易方式{mark}", _CHANNELS[transfer.channel]),
        ]
        if transfer.serials:
            rows.append((f"流水号{mark}", "、".join(transfer.serials)))
    return Row(title="二、转入资金", rows=rows)


def _measure(package: Package) -> Sequence[Row]:
    measure = package.measure
    rows: list[tuple[str, str]] = []
    if measure.kind in {InstructionKind.STOP, InstructionKind.EXTEND}:
        rows += [
            ("止付次数", f"第{measure.stop_number}次"),
            ("止付期限", f"自止付时点起{measure.duration_hours}小时"),
        ]
    if measure.mode:
        whole = measure.mode == "02"
        rows.append(("冻结范围", "整体冻结" if whole else "限额冻结"))
        if measure.amount is not None and not whole:
            rows.append(("冻结金额", _money(measure.amount, "CNY")))
        if measure.start_at is not None:
            rows.append(("起始日期", _day(measure.start_at)))
        if measure.end_at is not None:
            rows.append(("截止日期", _day(measure.end_at)))
        rows.append(("孳息", "包括" if measure.includes_interest else "不包括"))
    elif measure.amount is not None:
        rows.append(("返还金额", _money(measure.amount, "CNY")))
    if measure.original_application_id:
        rows.append(("原申请编号", measure.original_application_id))
    if measure.reason:
        rows.append(("理由", measure.reason))
    return [Row(title="三、措施内容", rows=rows)] if rows else []


def _reply(package: Package) -> list[tuple[str, str]]:
    tick = "□ 已办理　□ 部分办理　□ 信息不一致，未办理　□ 其他原因未办理"
    rows = [
        ("申请编号", package.application_id),
        ("账号", package.account.number),
        ("办理结果", tick),
        ("结果代码", ""),
        ("执行起始时间", "　　　　年　　月　　日　　时　　分"),
        ("执行届满时间", "　　　　年　　月　　日　　时　　分"),
        ("办理前余额", ""),
    ]
    if package.measure.mode:
        rows += [
            ("实际冻结金额", ""),
            ("在先冻结机关", ""),
            ("在先冻结届满日", ""),
        ]
    rows.append(("未办理原因", "\n\n"))
    return rows


def _pre_alert(package: Package, paper: Paper) -> Paper:
    paper["title"] = "涉诈资金预警通知"
    paper["subtitle"] = "本通知不是止付或冻结指令，不具有法律约束力，不产生止付效力"
    paper["binding"] = "预警通知（无约束力）"
    paper["opening"] = [
        f"因{package.case.kind}警情，下列账户可能已转入受害人资金。请立即查看并做好准备，"
        "正式指令将另行送达；核实前请勿仅凭本通知采取止付措施。"
    ]
    paper["sections"] = paper["sections"][:2]
    return paper


def _owner_notice(package: Package) -> Paper:
    paper = _frame(package)
    paper["title"] = "财产措施告知书"
    paper["to"] = package.account.name
    paper["binding"] = "告知账户所有人"
    number = package.account.number
    asked = {
        InstructionKind.FREEZE: "已被依法冻结",
        InstructionKind.RENEW: "已被依法继续冻结",
        InstructionKind.RELEASE: "的措施已被解除",
        InstructionKind.RETURN: "中的冻结资金将依法返还被害人",
    }.get(package.measure.kind, "已被依法采取紧急止付措施")
    paper["opening"] = [
        f"您在{paper['institution']}尾号 {number[-4:]} 的账户{asked}。",
        "您对该措施有异议的，可以向作出决定的公安机关提出申诉，或要求其核查；"
        "与案件无关的，查明后三日以内解除并通知您（刑事诉讼法第一百四十五条）。",
    ]
    rows = [("账号尾号", number[-4:])]
    if package.measure.end_at is not None:
        rows.append(("截止日期", _day(package.measure.end_at)))
    rows.append(("咨询和申诉电话", package.sender.duty_phone))
    paper["sections"] = [Row(title="措施", rows=rows)]
    # The owner is told nothing of victims, officers' certificates or the rest of the case.
    paper["officers"] = []
    return paper


def _money(amount: Decimal, currency: str) -> str:
    if currency != "CNY":
        return f"{amount:,.2f} {currency}"
    return f"人民币 {amount:,.2f} 元（{amount_in_words(amount)}）"


def _moment(at: datetime, *, seconds: bool = False) -> str:
    local = at.astimezone(_CHINA)
    text = f"{local.year}年{local.month}月{local.day}日{local:%H}时{local:%M}分"
    return f"{text}{local:%S}秒" if seconds else text


def _day(at: datetime) -> str:
    local = at.astimezone(_CHINA)
    return f"{local.year}年{local.month}月{local.day}日"
