"""One plain example of every target and rendition, for tests that need any."""

from __future__ import annotations

import json
from hashlib import sha256

from fzalert import messages
from fzalert.messages import (
    BankPackage,
    Coding,
    DisplayContent,
    Lane,
    Mail,
    Post,
    RelayedWarning,
    Rendition,
    RenditionKind,
    ScriptRef,
    Severity,
    SmsText,
    Speech,
    Target,
    TargetKind,
)
from fzalert.ports import Submission

__all__ = ["SCRIPT", "sample_rendition", "sample_target", "submission", "text_of"]

SCRIPT = ScriptRef(
    id="impersonating-police", audience="general", language="zh", version=1, digest="0" * 64
)
"""Names no real text; renditions in tests need one."""

_TEXT = "公检法不会电话办案，更不会要求转账。拨打96110核实。"


def sample_rendition(kind: RenditionKind, *, text: str = _TEXT, drill: bool = False) -> Rendition:
    """Return a rendition of the kind that any channel of that kind must be able to take."""
    match kind:
        case RenditionKind.SMS:
            return SmsText(parts=(text,), coding=Coding.UCS2, script=SCRIPT, drill=drill)
        case RenditionKind.DISPLAY:
            return DisplayContent(
                title="谨防诈骗",
                lines=(text[:20], "拨打96110"),
                footer="反诈中心 96110",
                severity=Severity.DANGER,
                priority=700,
                script=SCRIPT,
                drill=drill,
            )
        case RenditionKind.SPEECH:
            return Speech(text="请立即停止转账。", script=SCRIPT, drill=drill)
        case RenditionKind.MAIL:
            return Mail(subject="反诈预警", body=text + "\n", script=SCRIPT, drill=drill)
        case RenditionKind.POST:
            return Post(
                title="反诈预警", text=text, script=SCRIPT, values=(("branch", "一"),), drill=drill
            )
        case RenditionKind.RELAY:
            return RelayedWarning(script=SCRIPT, values=(("branch", "一"),), drill=drill)
        case RenditionKind.BANK:
            body = json.dumps({"text": text}, ensure_ascii=False)
            return BankPackage(
                application_id=f"app-{sha256(body.encode()).hexdigest()[:12]}",
                institution="sample",
                binding=True,
                body=body,
                sha256=sha256(body.encode()).hexdigest(),
                drill=drill,
            )


def sample_target(kind: TargetKind) -> Target:
    """Return a target of the kind; the phone and the mailbox belong to nobody."""
    match kind:
        case TargetKind.PHONE:
            return messages.phone("13800138000")
        case TargetKind.MAILBOX:
            return messages.mailbox("manager@bank.example")
        case TargetKind.DISPLAY:
            return messages.display("lobby")
        case TargetKind.SPEAKER:
            return messages.speaker("atm-1")
        case TargetKind.COUNTER:
            return messages.counter("3")
        case TargetKind.GROUP:
            return messages.group("duty")
        case TargetKind.BANK_DESK:
            return messages.bank_desk("icbc-lhasa")


def text_of(rendition: Rendition, part: int = 0) -> str:
    """Return what a person gets to read or hear of one part."""
    match rendition:
        case SmsText():
            return rendition.parts[part]
        case DisplayContent():
            return "\n".join((rendition.title, *rendition.lines))
        case Speech():
            return rendition.text
        case Mail():
            return rendition.body
        case Post():
            return rendition.text
        case BankPackage():
            return rendition.body
        case RelayedWarning():  # the name of the text: the words are the other side's
            ref = rendition.script
            return f"{ref.id}/{ref.audience}/{ref.version} {ref.language} {ref.digest}"


def submission(
    target: Target,
    rendition: Rendition,
    *,
    id: int = 1,
    part: int = 0,
    lane: Lane = Lane.URGENT,
    not_after: int,
    attempt: int = 1,
) -> Submission:
    """Make a submission; `not_after` is in milliseconds since the epoch."""
    return Submission(id, part, lane, target, rendition, not_after, attempt)
