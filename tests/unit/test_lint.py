"""The lint rules: each fails its own bad example and passes its good one."""

import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from fzalert.errors import InputError
from fzalert.messages import ActorId
from fzalert.scripts import (
    ActionClass,
    Finding,
    Level,
    Library,
    Script,
    ScriptKind,
    Texts,
    approve,
    lint,
    vendor_profiles,
)
from fzalert.scripts.lint.measure import half_cells, spoken_length

SURFACES = json.loads(
    (Path(__file__).parent.parent / "cases" / "scripts" / "surfaces.json").read_text("utf-8")
)
ACTION = "请停，打96110。"


def script(
    *, zh: Texts | None = None, en: Texts | None = None, elder: Texts | None = None, **more: Any
) -> Script:
    languages = {"zh": zh or Texts(sms=ACTION)}
    if en is not None:
        languages["en"] = en
    return Script(
        id="x-test",
        kind=more.pop("kind", ScriptKind.WARNING),
        audience=more.pop("audience", "general"),
        version=1,
        action=ActionClass.STOP,
        languages=MappingProxyType(languages),
        elder=elder or Texts(),
        **more,
    )


def zh(**texts: Any) -> Script:
    return script(zh=Texts(**texts))


def en(**texts: Any) -> Script:
    return script(en=Texts(**texts))


def elder(**texts: Any) -> Script:
    return script(elder=Texts(**texts))


class Case(NamedTuple):
    rule: str
    level: Level
    bad: Script
    good: Script
    options: dict[str, Any] = {}  # noqa: RUF012  never changed


E, W = Level.ERROR, Level.WARNING
BULLETS = ("没见过面的人不转钱", "叫您保密的是骗子")
CASES = [
    Case("L01", E, zh(sms="字" * 49 + ACTION), zh(sms="字" * 46 + ACTION)),
    Case("L01", E, zh(sms="字" * 46 + ACTION), zh(sms="字" * 44 + ACTION), {"signature_max": 14}),
    Case(
        "L01", E, zh(sms="字" * 41 + ACTION), zh(sms="字" * 40 + ACTION), {"opt_out": "拒收请回复R"}
    ),
    Case("L01", E, zh(sms_long="字" * 121), zh(sms_long="字" * 120)),
    Case("L01", E, zh(sms_long="字" * 115), zh(sms_long="字" * 114), {"opt_out": "拒收请回复R"}),
    Case("L01", E, zh(sms="{branch}" * 3 + ACTION), zh(sms="{branch}" * 2 + ACTION)),
    Case("L01", E, zh(led="字" * 25), zh(led="字" * 24)),
    Case("L01", E, zh(led="请停\n别转"), zh(led="请停别转")),
    Case("L01", E, zh(display_headline="字" * 15), zh(display_headline="字" * 14)),
    Case(
        "L01",
        E,
        zh(display_bullets=("字" * 19, *BULLETS[1:], "先停")),
        zh(display_bullets=("字" * 18, *BULLETS[1:], "先停")),
    ),
    Case("L01", E, zh(voice="字" * 48 + "，请停。"), zh(voice="字" * 46 + "，请停。")),
    Case("L01", E, zh(voice_elder="字" * 35 + "，请停。"), zh(voice_elder="字" * 34 + "，请停。")),
    Case("L01", E, zh(group="字" * 201), zh(group="字" * 200)),
    Case("L01", E, en(voice="stop " * 29), en(voice="stop " * 28)),
    Case("L01", E, en(sms_long="a" * 121), en(sms_long="a" * 113)),
    Case("L01", E, elder(voice="别" * 37), elder(voice="别别别别别，" * 7)),
    Case("L02", E, zh(group="详情点击查看"), zh(group="不要点击，先停")),
    Case("L02", E, zh(sms="请回复，先停"), zh(sms="别回复，先停")),
    Case("L02", E, zh(sms="看 fz.example.cn 请停"), zh(sms="看公告，请停")),
    Case("L02", E, zh(sms="看 https: 请停"), zh(sms="请停")),
    Case("L02", E, en(group="Click here now"), en(group="Never click on it")),
    Case("L02", E, en(group="Scan the QR code"), en(group="Do not scan the QR code")),
    Case("L03", E, zh(sms="请打8001234，停"), zh(sms="请打12381，停")),
    Case("L03", E, zh(sms="请打95588，停"), zh(sms="请打96110，停")),
    Case("L04", E, zh(group="请转账到安全账户"), zh(group="别请转账到安全账户")),
    Case("L04", E, zh(group="把验证码告诉客服"), zh(group="莫把验证码告诉人")),
    Case("L05", E, zh(group="您已涉嫌洗钱"), zh(group="骗子说有案底")),
    Case("L05", E, en(group="This is the final notice"), en(group="This is a notice")),
    Case("L06", E, zh(led="老人被骗"), zh(led="老人被骗，请停手")),
    Case("L07", E, zh(sms="先停手。这是诈骗。"), zh(sms="这是诈骗。先停手。")),
    Case(
        "L07", E, zh(display_bullets=(*BULLETS, "都是诈骗")), zh(display_bullets=(*BULLETS, "先停"))
    ),
    Case("L07", E, elder(voice="他是骗子。"), elder(voice="他是骗子。别信。")),
    Case("L07", W, zh(sms="请停。请挂。请问。"), zh(sms="请停。请挂。")),
    Case("L07", W, zh(sms="请先查证照。"), zh(sms="请挂断。")),
    Case("L08", E, zh(sms="{name}请停"), zh(sms="{branch}请停")),
    Case("L08", E, zh(led="{last4}请停"), zh(sms="{last4}请停")),
    Case("L08", E, zh(voice="{time}请停"), zh(sms="{time}请停")),
    Case("L08", E, zh(sms="请{停"), zh(sms="请停")),
    Case("L08", E, zh(sms="请停{hotline!r}"), zh(sms="请停{hotline}")),
    Case("L09", E, zh(led="请打138 0013 8000"), zh(led="请打96110")),
    Case("L09", E, zh(voice="请打幺三八零零幺三八"), zh(voice="请打九六幺幺零")),
    Case("L10", E, zh(sms="【县局】请停"), zh(sms="〔县局〕请停")),
    Case("L10", E, zh(group="【提醒】看【这里】"), zh(group="【提醒】看这里")),
    Case("L10", E, zh(sms="𠮷请停"), zh(sms="吉请停")),
    Case("L10", E, zh(sms="请\u200b停"), zh(sms="请停")),
    Case("L10", E, zh(email_subject="请\n停"), zh(email_body="请\n停")),
    Case("L11", W, zh(sms="字" * 20 + "请停"), zh(sms="字" * 20 + "，请停")),
    Case("L11", E, elder(sms="字" * 12 + "请停"), elder(sms="字" * 12 + "，请停")),
    Case("L11", W, elder(sms="别信，别说，别给。"), elder(sms="别信，别说。别给。")),
    Case("L12", W, elder(sms="刷单别信"), elder(sms="刷单（做任务）别信")),
    Case(
        "L12",
        W,
        script(audience="elderly", zh=Texts(sms="屏幕共享，请停")),
        zh(sms="屏幕共享，请停"),
    ),
    Case("L13", W, zh(sms="刷单，请停"), zh(led="刷单，请停"), {"profile": "aliyun"}),
    Case("L13", E, zh(sms="刷单，请停"), zh(sms="请停"), {"profile": "aliyun", "enforced": True}),
    Case("L14", E, zh(group="利率更高"), zh(group="别信高息"), {"bank_signed": True}),
    Case("L14", W, zh(group="骗子说利率更高"), zh(group="骗子说高息"), {"bank_signed": True}),
    Case("L15", E, zh(group="保证追回"), zh(group="尽力追回")),
    Case("L16", W, zh(group="老糊涂才信"), zh(group="谁都会信")),
    Case("L16", W, zh(group="河南的骗子"), zh(group="河南的游客")),
    Case("L17", E, zh(sms="請停"), zh(sms="请停")),
    Case(
        "L17",
        E,
        script(langs=("zh", "en")),
        script(langs=("zh", "en"), en=Texts(sms_long="Stop.")),
    ),
    Case(
        "L17",
        E,
        script(langs=("zh", "en"), zh=Texts(led="请停"), en=Texts(sms_long="Stop.")),
        script(langs=("zh", "en"), zh=Texts(led="请停"), en=Texts(led="Stop.")),
    ),
    Case("L18", W, zh(sms=ACTION), zh(sms="请停。"), {"recent": {zh(sms=ACTION).digest}}),
    Case(
        "L20",
        E,
        script(kind=ScriptKind.CASE_STORY, zh=Texts(group="张某被骗，别信")),
        zh(group="张某被骗，别信"),
    ),
    *(
        Case(
            "L20",
            E,
            script(kind=ScriptKind.CASE_STORY, zh=Texts(group=bad)),
            script(kind=ScriptKind.CASE_STORY, zh=Texts(group=good)),
        )
        for bad, good in (
            ("李女士转出5万元", "我县一位居民转出5万元"),
            ("某村一人转出5万元", "我县一人转出5万元"),
            ("转出51234元", "转出5万元"),
            ("转出12.34万元", "转出120000元"),
        )
    ),
]


def of(rule: str, found: list[Finding]) -> list[Finding]:
    return [each for each in found if each.rule == rule]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.level}")
def test_a_rule_fails_its_bad_example_and_passes_its_good_one(case: Case) -> None:
    bad = of(case.rule, lint(case.bad, **case.options))
    assert case.level in {each.level for each in bad}
    for each in bad:
        texts = dict(case.bad.renditions())
        start, end = each.span
        assert 0 <= start <= end <= len(texts.get(each.rendition, ""))
    good = of(case.rule, lint(case.good, **case.options))
    assert case.level not in {each.level for each in good}


def test_every_rule_has_its_case() -> None:
    named = {case.rule for case in CASES} | {"L19"}
    assert named == {f"L{number:02}" for number in range(1, 21)}


def test_a_script_in_production_needs_source_author_and_approval() -> None:
    written = script(source="县局研判", author="wang")
    approval = approve(written, author=ActorId("wang"), approver=ActorId("li"), at=0)
    assert of("L19", lint(written)) == []
    assert of("L19", lint(written, production=True, approval=approval)) == []
    assert len(of("L19", lint(script(), production=True))) == 3
    old = replace(approval, digest="0" * 64)
    assert len(of("L19", lint(written, production=True, approval=old))) == 1


def test_a_finding_points_at_the_word() -> None:
    (found,) = of("L05", lint(zh(group="警方：您已涉嫌洗钱")))
    assert found.rendition == "zh.group"
    assert found.span == (3, 7)
    assert "您已涉嫌" in found.text


def test_a_service_number_of_the_bank_is_no_foreign_number() -> None:
    assert of("L03", lint(zh(sms="请打95588，停"), service_numbers={"95588"})) == []


def test_an_unknown_profile_names_the_close_one() -> None:
    with pytest.raises(InputError, match="aliyun") as caught:
        lint(zh(sms=ACTION), "aliyum")
    assert caught.value.field == "profile"
    assert vendor_profiles() == ("aliyun", "carrier-direct", "huawei-cloud")


@pytest.mark.parametrize("key", [each.key for each in Library.load()])
@pytest.mark.parametrize("options", [{}, {"opt_out": "拒收请回复R", "bank_signed": True}])
def test_every_shipped_script_is_free_of_errors_with_the_longest_signature(
    key: str, options: dict[str, Any]
) -> None:
    found = lint(Library.load().by_key(key), signature_max=12, **options)
    assert [each for each in found if each.level is Level.ERROR] == []


def test_generic_passes_every_vendor() -> None:
    for profile in vendor_profiles():
        found = lint(Library.load().get("generic"), profile, enforced=True)
        assert of("L13", found) == []


@pytest.mark.parametrize(("profile", "scripts"), [("huawei-cloud", 9), ("aliyun", 5)])
def test_vendors_lists_hit_as_many_scripts_as_were_counted(profile: str, scripts: int) -> None:
    hit = {each.key for each in Library.load() if of("L13", lint(each, profile))}
    assert len(hit) == scripts


@pytest.mark.parametrize("case", SURFACES["cells"], ids=lambda case: case["text"])
def test_cells_of_an_led_sign(case: dict[str, Any]) -> None:
    assert half_cells(case["text"]) == case["half_cells"]


def test_punctuation_is_not_spoken() -> None:
    assert spoken_length("请挂断，问柜台。") == 6
