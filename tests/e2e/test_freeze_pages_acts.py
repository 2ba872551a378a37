"""Every act of a case as a form: what it leads to, who may, what a refusal shows and keeps."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.freeze_pages import CARD, PDF, SECOND_CARD, Station, station, visitor


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Station]:
    async with station(tmp_path) as found:
        yield found


def local(moment: object) -> str:
    return f"{moment:%Y-%m-%dT%H:%M}+00:00"


async def test_a_measure_goes_from_its_stop_to_the_return_by_forms_alone(at: Station) -> None:
    case = await at.case([CARD])
    base = f"/freeze/case/{case.id}"
    one = f"{base}/m1"

    async def state() -> str:
        return (await at.case_view(case.id)).measures[0].state

    def receipt(**more: str) -> dict[str, str]:
        now = local(at.clock.now())
        return {"code": "0000", "account_number": CARD, "started_at": now, "grade": "B", **more}

    async with visitor(at, "ma") as ma, visitor(at, "zhao") as zhao:
        await ma.did(f"{one}/submit")
        await zhao.did(f"{one}/reject", {"reason": "请补充流水"})
        assert await state() == "draft"
        await ma.did(f"{one}/submit", {"reason": "已补充"})
        await zhao.did(f"{one}/approve")
        await ma.did(f"{one}/send-paper")
        await ma.did(f"{one}/acknowledge", {"desk": "专岗王 8812"})
        assert await state() == "acked"
        await ma.did(f"{one}/receipt", receipt(code="0301"))
        assert await state() == "mismatch"
        paid = {
            **{"kind": "card", "number": CARD, "name": "李四", "bank_code": "102100099996"},
            **{"from_account": "6228480402564890018", "amount": "50000", "serial": "SERIAL01"},
            "at": local(at.clock.now() - timedelta(minutes=30)),
        }
        await ma.did(f"{one}/correct", {**paid, "reason": "户名已核对"})
        await ma.did(f"{one}/submit")
        await zhao.did(f"{one}/approve")
        await ma.did(f"{one}/send-paper")
        await ma.did(f"{one}/receipt", receipt(balance="48000"))
        assert await state() == "stopped"
        page = (await ma.web.get(base)).text
        said = re.search(r'<p class="line said">(.+?)</p>', page)
        assert said is not None
        # Who says that it is stopped, and what that proves.
        words = " ".join(re.sub(r"<[^>]+>", " ", said[1]).split())
        assert "ma 银行回执" in words
        assert "B 见到回执" in words
        await ma.did(f"{one}/extend", {"reason": "立案材料在途"})
        await zhao.did(f"{one}/approve")
        await ma.did(f"{one}/send-paper")
        await ma.did(f"{one}/receipt", receipt(grade="C", proof="录音8812"))
        assert (await at.case_view(case.id)).measures[0].stop_no == 2
        assert "▲ C 电话告知" in (await ma.web.get(base)).text
        end = f"{at.clock.now() + timedelta(days=150):%Y-%m-%d}"
        await ma.did(f"{one}/freeze", {"amount": "48000", "end": end, "reason": "已查明流向"})
        refused = await zhao.act(f"{one}/approve")
        assert refused.status_code == 403
        assert "立案前不得冻结" in refused.text
        assert "公安部资金冻结规定（2024）G1" in refused.text
        filed = await ma.web.post(
            f"{base}/case/file",
            data={
                "case_number": "A1101050000002026110001",
                "at": local(at.clock.now()),
                "legal_basis": "中华人民共和国反电信网络诈骗法第二十条",
            },
            files={"document": ("立案.pdf", PDF)},
        )
        assert filed.status_code == 303, filed.text
        await zhao.did(f"{one}/approve")
        await ma.did(f"{one}/send-paper")
        await ma.did(f"{one}/receipt", receipt(frozen="48000", expires_at=f"{end}T23:59:59+08:00"))
        assert await state() == "frozen"
        await ma.did(f"{one}/complaint", {"number": "申诉2026-1"})
        await ma.did(f"{one}/follow", {**paid, "number": SECOND_CARD, "from_account": CARD})
        assert (await at.case_view(case.id)).measures[1].level == 2
        shared = await ma.act(
            f"{one}/return", {"do": "share", "losses": "甲 30000\n乙 60000", "reason": "返还受害人"}
        )
        text = re.sub(r".*?<h1>|<[^>]+>", " ", shared.text, flags=re.S)
        assert "甲 16000.00\n乙 32000.00" in shared.text, " ".join(text.split())[:900]
        assert "返还受害人" in shared.text
        await ma.did(
            f"{one}/return", {"method": "direct", "allocation": "甲 48000", "reason": "返还"}
        )
        await zhao.did(f"{one}/approve")
        await ma.did(f"{one}/send-paper")
        await ma.did(f"{one}/receipt", receipt(proof="回执 1"))
        assert await state() == "returned"
        page = (await ma.web.get(base)).text
        for words in ("估算 estimate", "第 2 级，来自 m1", "银行回执", "纸质 paper", "被规则拒绝"):
            assert words in page
        assert "李四" not in page


async def test_release_irrelevance_and_cancellation_by_forms(at: Station) -> None:
    case = await at.case([CARD, SECOND_CARD])
    await at.stopped(case)
    base = f"/freeze/case/{case.id}"
    async with visitor(at, "ma") as ma, visitor(at, "zhao") as zhao:
        await ma.did(f"{base}/m1/irrelevant", {"reason": "收款人是商户"})
        await ma.did(f"{base}/m1/release", {"reason": "与案件无关"})
        await zhao.did(f"{base}/m1/approve")
        await zhao.did(f"{base}/m1/send-paper")
        alone = await ma.act(f"{base}/m2/cancel", {"reason": "重复录入"})
        assert alone.status_code == 403
        assert "重复录入" in alone.text, "what was typed stays"
        await zhao.did(f"{base}/m2/cancel", {"reason": "重复录入"})
        view = await at.case_view(case.id)
        assert [one.state for one in view.measures] == ["release_sent", "cancelled"]
        await ma.did(
            f"{base}/case/duty",
            {"unit_name": "青山县公安局", "unit_code": "110105000000", "phone": "010-87654321"},
        )
        two = {
            f"o{place}-{name}": f"{text}{place}"
            for place in (1, 2)
            for name, text in (("name", "警"), ("certificate", "P1"), ("phone", "1380013800"))
        }
        await ma.did(f"{base}/case/officers", two)
        attached = await ma.web.post(
            f"{base}/case/attach", data={"type": "01"}, files={"document": ("c.pdf", PDF)}
        )
        assert attached.status_code == 303
        wrong = await ma.web.post(
            f"{base}/case/attach", data={"type": "01"}, files={"document": ("c.exe", b"MZ")}
        )
        assert wrong.status_code == 422


async def test_whoever_prepared_it_is_refused_with_the_rule_and_it_is_on_record(
    at: Station,
) -> None:
    case = await at.case()
    async with visitor(at, "ma") as ma:
        await ma.did(f"/freeze/case/{case.id}/m1/submit")
        answer = await ma.act(f"/freeze/case/{case.id}/m1/approve")
    assert answer.status_code == 403
    for words in ("提出人与批准人不得为同一人", "Whoever prepared it may not", "second-person"):
        assert words in answer.text
    history = await case.history(by=await at.by("ma"))
    assert history[-1].event == "case.refused"
    assert "second-person" in history[-1].facts["guards"]


async def test_an_old_proof_leads_to_the_proof_and_back_to_the_same_form(at: Station) -> None:
    case = await at.case()
    path = f"/freeze/case/{case.id}/m1/approve"
    async with visitor(at, "ma") as ma, visitor(at, "li") as li:
        await ma.did(f"/freeze/case/{case.id}/m1/submit")
        at.later(minutes=6)
        away = await li.act(path, {"do": "act", "note": "已电话核实"})
        assert away.status_code == 303
        where = away.headers["location"]
        back = where.partition("next=")[2]
        assert re.fullmatch(rf"{path}/[0-9a-f]{{32}}", back), where
        assert (await at.case_view(case.id)).measures[0].state == "review"
        proved = await li.web.post("/prove", data={"token": at.tokens["li"], "next": back})
        assert proved.headers["location"] == back
        assert "批准紧急止付" in (await li.web.get(back)).text
        assert (await ma.web.get(back)).status_code == 200, "another sees an empty form only"
        await li.did(back)
        assert (await at.case_view(case.id)).measures[0].state == "approved"


async def test_the_law_says_what_is_missing_before_anybody_is_refused(at: Station) -> None:
    case = await at.case(papers=False)
    path = f"/freeze/case/{case.id}"
    async with visitor(at, "ma") as ma:
        page = (await ma.web.get(f"{path}/m1/submit")).text
        assert "批准前还缺" in page
        assert "缺少受害人身份证件或经签名的紧急止付申请表" in page
        assert "银发〔2016〕86号" in page
        history = await case.history(by=await at.by("ma"))
        assert all(event.event != "case.refused" for event in history), "asking is no refusal"


async def test_several_accounts_are_submitted_approved_and_sent_at_once(at: Station) -> None:
    case = await at.case([CARD, SECOND_CARD])
    path = f"/freeze/case/{case.id}/all"
    async with visitor(at, "ma") as ma, visitor(at, "li") as li:
        await ma.did(f"{path}/submit", {"waive-card-bank-differs": "x", "reason": ""})
        await li.did(f"{path}/approve")
        await li.did(f"{path}/send")
    states = [one.state for one in (await at.case_view(case.id)).measures]
    assert states == ["sent", "sent"]


async def test_a_warning_is_waived_with_a_reason_or_not_at_all(at: Station) -> None:
    case = await at.case([])
    async with visitor(at, "ma") as ma:
        add = {
            **{"kind": "card", "number": CARD, "name": "李四", "bank_code": "102100099996"},
            **{"from_account": "6228480402564890018", "amount": "500", "channel": "mobile"},
            "at": local(at.clock.now() - timedelta(minutes=30)),
        }
        await ma.did(f"/freeze/case/{case.id}/case/add", add)
        path = f"/freeze/case/{case.id}/m1/submit"
        assert "没有交易流水号" in (await ma.web.get(path)).text
        bare = await ma.act(path)
        assert bare.status_code == 422
        assert "waive-transfer-serial-fault" in bare.text
        await ma.did(path, {"waive-transfer-serial": "回单上没有流水号"})
    assert (await at.case_view(case.id)).measures[0].state == "review"


async def test_a_reveal_is_proved_on_record_and_kept_by_nobody(at: Station) -> None:
    case = await at.case()
    path = f"/freeze/case/{case.id}"
    async with visitor(at, "sun") as sun:
        shown = await sun.act(f"{path}/case/reveal")
        assert shown.status_code == 200
        assert "13800138000" in shown.text
        assert CARD in shown.text.replace(" ", "")
        assert shown.headers["cache-control"] == "no-store"
        assert len(await at.on_record("case.reveal")) == 1
        assert b"user:sun" in (await at.on_record("case.reveal"))[0]
        assert "13800138000" not in (await sun.web.get(path)).text
        at.later(minutes=6)
        for act in ("case/reveal", "case/bundle"):
            away = await sun.act(f"{path}/{act}")
            assert away.status_code == 303
            assert away.headers["location"] == f"/prove?next={path}"
        assert len(await at.on_record("case.reveal")) == 1


async def test_papers_and_the_bundle_are_taken_on_record(at: Station) -> None:
    case = await at.case()
    path = f"/freeze/case/{case.id}"
    async with visitor(at, "ma") as ma, visitor(at, "li") as li:
        await ma.did(f"{path}/m1/submit")
        alert = await ma.act(f"{path}/m1/paper", {"paper": "pre_alert"})
        assert alert.content.startswith(b"%PDF-1.")
        await li.did(f"{path}/m1/approve")
        paper = await ma.act(f"{path}/m1/paper", {"paper": "instruction"})
        assert paper.headers["content-type"] == "application/pdf"
        assert paper.content.startswith(b"%PDF-1.")
        assert "attachment" in paper.headers["content-disposition"]
        bundle = await ma.act(f"{path}/case/bundle")
        assert bundle.content.startswith(b"PK")
        assert (await ma.act(f"{path}/m1/paper", {"paper": "other"})).status_code == 422
    assert len(await at.on_record("case.export")) == 3


async def test_only_those_who_may_see_or_change_anything(at: Station) -> None:
    case = await at.case()
    path = f"/freeze/case/{case.id}"
    async with visitor(at, "wang") as teller:
        for page in ("/freeze", "/freeze/events", "/freeze/new", path, f"{path}/events"):
            assert (await teller.web.get(page)).status_code == 403, page
        assert (await teller.act(f"{path}/m1/submit")).status_code == 403
        assert (await teller.act(f"{path}/case/reveal")).status_code == 403
        assert "冻结台" not in (await teller.web.get("/")).text
    async with visitor(at, "sun") as auditor:
        assert (await auditor.web.get(path)).status_code == 200
        assert (await auditor.act(f"{path}/m1/submit")).status_code == 403
        assert "/freeze/new" not in (await auditor.web.get("/freeze")).text
    async with visitor(at, "ma") as ma:
        foreign = await ma.web.post(
            f"{path}/m1/submit", data={}, headers={"sec-fetch-site": "cross-site"}
        )
        assert foreign.status_code == 403
        assert (await ma.web.post("/logout")).status_code == 303
        out = await ma.web.get(path)
        assert (out.status_code, out.headers["location"]) == (303, f"/login?next={path}")
        assert (await ma.act(f"{path}/m1/submit")).status_code == 401
    assert (await at.case_view(case.id)).measures[0].state == "draft"


async def test_what_is_not_there_is_said_so(at: Station) -> None:
    case = await at.case()
    async with visitor(at, "ma") as ma:
        for page in (
            f"/freeze/case/{case.id}/m9/submit",
            f"/freeze/case/{case.id}/m1/dance",
            f"/freeze/case/{case.id}/case/submit",
            f"/freeze/case/{case.id}/m1/officers",
            f"/freeze/case/{case.id}/m1/approve/not-a-key",
        ):
            assert (await ma.web.get(page)).status_code == 404, page
        assert (await ma.web.get("/freeze/case/nobody")).status_code in {404, 422}


async def test_pages_are_told_of_every_event_and_never_show_what_is_older(at: Station) -> None:
    case = await at.case()
    async with visitor(at, "ma") as ma:
        assert "草稿，未提交" in (await ma.web.get("/freeze")).text
        seen = await at.service.changed(0, 0)
        await ma.did(f"/freeze/case/{case.id}/m1/submit")
        assert await at.service.changed(seen, 0) != seen
        assert "待审批" in (await ma.web.get("/freeze")).text


async def test_what_waits_for_a_person_stands_before_what_has_hours_left(at: Station) -> None:
    case = await at.case([CARD, SECOND_CARD])
    await at.stopped(case)
    async with visitor(at, "ma") as ma:
        await ma.did(f"/freeze/case/{case.id}/m2/submit")
        page = (await ma.web.get("/freeze")).text
    assert page.index(f"row-{case.id}-m2") < page.index(f"row-{case.id}-m1")
    assert "等人处理" in page
