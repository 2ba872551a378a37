"""Rendering: what each channel kind gets, and what is refused on the way."""

import re
from dataclasses import dataclass

import pytest

from fzalert.errors import InputError, TextTooLong, UnknownScript
from fzalert.messages import (
    Coding,
    DisplayContent,
    Lane,
    Mail,
    Post,
    RelayedWarning,
    RenditionKind,
    ScriptRef,
    Severity,
    SmsText,
    Speech,
    decode_rendition,
    encode_rendition,
)
from fzalert.ports import TextProfile
from fzalert.scripts import (
    VENDORS,
    Library,
    Place,
    Script,
    ScriptSettings,
    VendorTable,
    VendorTemplate,
    render,
)

SETTINGS = ScriptSettings(
    names={"branch": frozenset({"城关支行"}), "type_name": frozenset({"刷单返利"})}
)
POLICE = Library.load().get("impersonating-police")
PROFILE = TextProfile(signature="县反诈中心", opt_out="拒收请回复R")


def own(body: str) -> Script:
    head = '[[script]]\nid = "x-own"\naudience = "general"\nversion = 1\naction = "call"\n'
    return Library.from_toml(head + body).get("x-own")


def test_a_short_message_has_sign_text_and_opt_out_in_one_part() -> None:
    sms = render(POLICE, kind=RenditionKind.SMS, text_profile=PROFILE)
    assert isinstance(sms, SmsText)
    assert sms.parts == (f"【县反诈中心】{POLICE.languages['zh'].sms}拒收请回复R",)
    assert sms.script == ScriptRef("impersonating-police", "general", "zh", 1, POLICE.digest)
    assert (sms.coding, sms.template, sms.drill) == (Coding.UCS2, None, False)


def test_a_drill_says_so_right_after_the_sign() -> None:
    sms = render(POLICE, kind=RenditionKind.SMS, text_profile=PROFILE, drill=True)
    assert isinstance(sms, SmsText)
    assert sms.text.startswith("【县反诈中心】（演练）公安不会")
    assert sms.drill


def test_no_sign_no_brackets() -> None:
    sms = render(POLICE, kind=RenditionKind.SMS)
    assert isinstance(sms, SmsText)
    assert sms.text == POLICE.languages["zh"].sms


def test_the_long_text_goes_in_two_parts_where_it_is_asked_for() -> None:
    sms = render(POLICE, kind=RenditionKind.SMS, text_profile=PROFILE, long=True)
    assert isinstance(sms, SmsText)
    assert len(sms.parts) == 2
    assert sms.text == f"【县反诈中心】{POLICE.languages['zh'].sms_long}拒收请回复R"


def test_english_goes_by_its_long_text_in_the_channels_coding() -> None:
    profile = TextProfile(coding=Coding.GSM7)
    sms = render(POLICE, kind=RenditionKind.SMS, language="en", text_profile=profile)
    assert isinstance(sms, SmsText)
    assert (sms.text, sms.coding) == (POLICE.languages["en"].sms_long, Coding.GSM7)
    signed = TextProfile(coding=Coding.GSM7, signature="County")
    sms = render(POLICE, kind=RenditionKind.SMS, language="en", text_profile=signed)
    assert isinstance(sms, SmsText)
    assert sms.coding is Coding.UCS2


def test_the_gateways_own_sign_is_reserved_in_the_first_part() -> None:
    body = "字" * 60
    script = own(f'[script.zh]\nsms = "{body}"')
    one = render(script, kind=RenditionKind.SMS, text_profile=TextProfile(gateway_adds=10))
    two = render(script, kind=RenditionKind.SMS, text_profile=TextProfile(gateway_adds=11))
    assert isinstance(one, SmsText)
    assert isinstance(two, SmsText)
    assert one.parts == (body,)
    assert two.parts == (body[:56], body[56:])


def test_a_message_of_too_many_parts_is_refused_with_its_length() -> None:
    profile = TextProfile(signature="县反诈中心", max_parts=1)
    with pytest.raises(TextTooLong) as caught:
        render(POLICE, kind=RenditionKind.SMS, text_profile=profile, long=True)
    assert "71 units in ucs2: 2 parts; the channel takes 1" in str(caught.value)
    assert caught.value.field == "sms_long"


@pytest.mark.parametrize("profile", [TextProfile(signature="【县】"), TextProfile(opt_out="【R】")])
def test_there_is_one_signature_and_we_put_its_brackets(profile: TextProfile) -> None:
    with pytest.raises(InputError, match="【】"):
        render(POLICE, kind=RenditionKind.SMS, text_profile=profile)
    with pytest.raises(InputError, match="【】"):
        render(own('[script.zh]\nsms = "【假】请停"'), kind=RenditionKind.SMS)


def test_a_screen_gets_title_lines_and_who_says_so() -> None:
    card = render(
        POLICE, kind=RenditionKind.DISPLAY, values={"branch": "城关支行"}, settings=SETTINGS
    )
    assert isinstance(card, DisplayContent)
    assert card.title == "没有安全账户"
    assert card.lines == ("公安不会电话办案", "叫您保密的是骗子", "挂断电话，打110")
    assert card.footer == "城关支行 · 96110"
    assert (card.severity, card.priority, card.locale) == (Severity.DANGER, 700, "zh-CN")


def test_a_campaign_card_is_calmer_and_cuts_nothing() -> None:
    card = render(POLICE, kind=RenditionKind.DISPLAY, lane=Lane.BULK, drill=True, language="en")
    assert isinstance(card, DisplayContent)
    assert (card.severity, card.priority, card.locale) == (Severity.WARN, 200, "en")
    assert card.footer == "96110"
    assert card.drill
    assert "演练" not in card.title


def test_the_footer_falls_back_to_the_configured_sign_and_number() -> None:
    settings = ScriptSettings(
        defaults={"sign": "某县公安局"}, service_numbers=frozenset({"95588"}), hotline="95588"
    )
    card = render(POLICE, kind=RenditionKind.DISPLAY, settings=settings)
    assert isinstance(card, DisplayContent)
    assert card.footer == "某县公安局 · 95588"


def test_a_script_with_a_led_line_alone_still_makes_a_card() -> None:
    card = render(Library.load().get("market-day"), kind=RenditionKind.DISPLAY)
    assert isinstance(card, DisplayContent)
    assert (card.title, card.lines) == ("赶集日送礼拉群别信，问派出所", ())


def test_a_voice_says_the_library_text_exactly() -> None:
    speech = render(POLICE, kind=RenditionKind.SPEECH)
    assert isinstance(speech, Speech)
    assert speech.text == POLICE.languages["zh"].voice
    assert (speech.repeats, speech.locale, speech.drill) == (2, "zh-CN", False)
    bulk = render(POLICE, kind=RenditionKind.SPEECH, lane=Lane.BULK, audience="elderly")
    assert isinstance(bulk, Speech)
    assert (bulk.text, bulk.repeats, bulk.gap_ms) == (POLICE.elder.voice, 1, 2000)
    assert bulk.script.audience == "elderly"


def test_every_shipped_voice_is_speakable() -> None:
    for script in Library.load():
        for audience in ("general", "elderly"):
            texts = script.texts("zh", audience)
            assert texts is not None
            if texts.voice:
                speech = render(script, kind=RenditionKind.SPEECH, audience=audience)
                assert isinstance(speech, Speech)
                assert not re.search("[0-9A-Za-z]", speech.text)
                english = render(script, kind=RenditionKind.SPEECH, language="en")
                assert isinstance(english, Speech)
                assert not re.search("[0-9]", english.text)
                assert english.locale == "en"


def test_values_in_a_voice_are_read_out() -> None:
    script = own('[script.zh]\nvoice = "{month}月{case_count}起，请拨打{hotline}。"')
    values: dict[str, str | int] = {"month": 11, "case_count": 12, "hotline": "96110"}
    speech = render(script, kind=RenditionKind.SPEECH, values=values)
    assert isinstance(speech, Speech)
    assert speech.text == "十一月十二起，请拨打九六幺幺零。"


@pytest.mark.parametrize("text", ["请打110。", "请关掉ATM。"])
def test_a_voice_text_with_digits_or_letters_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="guess") as caught:
        render(own(f'[script.zh]\nvoice = "{text}"'), kind=RenditionKind.SPEECH)
    assert caught.value.field == "voice"


def test_a_mail_has_subject_body_and_signature() -> None:
    mail = render(POLICE, kind=RenditionKind.MAIL, values={"branch": "城关支行"}, settings=SETTINGS)
    assert isinstance(mail, Mail)
    texts = POLICE.languages["zh"]
    assert mail.subject == texts.email_subject
    assert mail.body == f"{texts.email_body}\n\n-- \n城关支行\n反诈专线 96110\n"
    settings = ScriptSettings(mail_signature="某县公安局\r\n电话 96110\r\n")
    mail = render(POLICE, kind=RenditionKind.MAIL, settings=settings, drill=True)
    assert isinstance(mail, Mail)
    assert mail.subject.startswith("（演练）")
    assert mail.body.startswith("（演练）\n\n")
    assert mail.body.endswith("\n\n-- \n某县公安局\n电话 96110\n")


def test_a_post_carries_public_values_alone() -> None:
    values: dict[str, str | int] = {
        "branch": "城关支行",
        "amount": "50000",
        "last4": "1234",
        "time": "09:30",
        "month": 11,
    }
    post = render(POLICE, kind=RenditionKind.POST, values=values, settings=SETTINGS, drill=True)
    assert isinstance(post, Post)
    assert post.values == (("branch", "城关支行"), ("month", "11"))
    assert post.title == "（演练）没有安全账户"
    assert post.text == "（演练）" + POLICE.languages["zh"].group


def test_small_counts_leave_the_post_too() -> None:
    few = render(POLICE, kind=RenditionKind.POST, values={"case_count": 4, "loss_wan": 30})
    many = render(POLICE, kind=RenditionKind.POST, values={"case_count": 5, "loss_wan": 30})
    assert isinstance(few, Post)
    assert isinstance(many, Post)
    assert few.values == ()
    assert many.values == (("case_count", "5"), ("loss_wan", "30"))


@pytest.mark.parametrize("values", [{"case_count": 4}, {}])
def test_a_public_text_does_not_show_fewer_than_five_cases(values: dict[str, int]) -> None:
    script = own('[script.zh]\nled = "本月损失{loss_wan}万，请打96110"\nsms = "{loss_wan}万，请停"')
    given = {"loss_wan": 30, **values}
    with pytest.raises(InputError, match="fewer than 5") as caught:
        render(script, kind=RenditionKind.DISPLAY, values=given)
    assert caught.value.field == "loss_wan"
    sms = render(script, kind=RenditionKind.SMS, values=given)
    assert isinstance(sms, SmsText)
    assert sms.text == "30万，请停"
    card = render(script, kind=RenditionKind.DISPLAY, values={"loss_wan": 30, "case_count": 5})
    assert isinstance(card, DisplayContent)
    assert card.title == "本月损失30万，请打96110"


def test_a_missing_value_is_named() -> None:
    script = own('[script.zh]\nsms = "请到{branch}。"')
    with pytest.raises(InputError, match="needs a value of branch") as caught:
        render(script, kind=RenditionKind.SMS)
    assert caught.value.field == "branch"
    settings = ScriptSettings(defaults={"branch": "城关支行"})
    sms = render(script, kind=RenditionKind.SMS, settings=settings)
    assert isinstance(sms, SmsText)
    assert sms.text == "请到城关支行。"


def test_a_campaign_sms_takes_no_private_value() -> None:
    hold = Library.load().get("urgent-victim-bank")
    values = {"last4": "1234", "branch": "城关支行"}
    sms = render(hold, kind=RenditionKind.SMS, values=values, settings=SETTINGS)
    assert isinstance(sms, SmsText)
    assert "尾号1234账户" in sms.text
    with pytest.raises(InputError, match="may not stand") as caught:
        render(hold, kind=RenditionKind.SMS, values=values, settings=SETTINGS, lane=Lane.BULK)
    assert caught.value.field == "last4"


def test_an_amount_goes_to_a_banks_desk_and_to_no_other_mailbox() -> None:
    script = own('[script.zh]\nemail_subject = "请停"\nemail_body = "转出{amount}，请停。"')
    with pytest.raises(InputError, match="may not stand"):
        render(script, kind=RenditionKind.MAIL, values={"amount": 5})
    mail = render(script, kind=RenditionKind.MAIL, values={"amount": 5}, place=Place.BANK_DESK)
    assert isinstance(mail, Mail)
    assert mail.body.startswith("转出5元，请停。")


@pytest.mark.parametrize(
    ("id", "kind", "language", "field"),
    [
        ("generic", RenditionKind.SMS, "bo", "language"),
        ("urgent-victim", RenditionKind.DISPLAY, "zh", "script"),
        ("phone-near-atm", RenditionKind.SMS, "zh", "script"),
    ],
)
def test_what_is_not_written_is_unknown(
    id: str, kind: RenditionKind, language: str, field: str
) -> None:
    with pytest.raises(UnknownScript) as caught:
        render(Library.load().get(id), kind=kind, language=language)
    assert caught.value.field == field


def test_an_approved_template_rides_along_but_never_in_a_drill() -> None:
    hold = Library.load().get("urgent-victim-bank")
    filed = VendorTemplate("SMS_1", hold.key, variables=("last4", "branch"))
    table = VendorTable(VENDORS["aliyun"], [filed])
    values = {"last4": "1234", "branch": "城关支行"}
    sms = render(hold, kind=RenditionKind.SMS, values=values, settings=SETTINGS, templates=table)
    assert isinstance(sms, SmsText)
    assert sms.template is not None
    assert sms.template.values == (("last4", "1234"), ("branch", "城关支行"))
    drill = render(
        hold, kind=RenditionKind.SMS, values=values, settings=SETTINGS, templates=table, drill=True
    )
    assert isinstance(drill, SmsText)
    assert drill.template is None


def test_the_elder_text_has_its_own_template() -> None:
    table = VendorTable(
        VENDORS["tencent"],
        [
            VendorTemplate("1", POLICE.key),
            VendorTemplate("2", POLICE.key, rendition="elder.sms"),
            VendorTemplate("3", POLICE.key, rendition="sms_long"),
        ],
    )
    found = []
    for audience, long in (("general", False), ("elderly", False), ("elderly", True)):
        sms = render(POLICE, kind=RenditionKind.SMS, audience=audience, long=long, templates=table)
        assert isinstance(sms, SmsText)
        assert sms.template is not None
        found.append(sms.template.template)
    assert found == ["1", "2", "3"]


@dataclass(frozen=True)
class OtherProfile:
    coding: Coding = Coding.UCS2
    signature: str = "某县"
    gateway_adds: int = 0
    opt_out: str = ""
    max_parts: int = 9
    whole: bool = False


def test_every_shipped_script_renders_for_every_kind_and_survives_the_store() -> None:
    values = {"last4": "1234", "branch": "城关支行"}
    made = 0
    for script in Library.load():
        for language in script.languages:
            for audience in ("general", "elderly"):
                texts = script.texts(language, audience)
                assert texts is not None
                for kind in texts.kinds():
                    rendition = render(
                        script,
                        kind=kind,
                        language=language,
                        audience=audience,
                        values=values,
                        settings=SETTINGS,
                        text_profile=OtherProfile(),
                    )
                    assert decode_rendition(encode_rendition(rendition)) == rendition
                    made += 1
    assert made > 700


def test_a_relayed_warning_names_its_text_and_carries_no_word_of_it() -> None:
    relayed = render(
        POLICE,
        kind=RenditionKind.RELAY,
        values={"branch": "城关支行", "amount": 5000},
        settings=SETTINGS,
        drill=True,
    )
    assert isinstance(relayed, RelayedWarning)
    assert relayed.script.digest == POLICE.digest
    assert relayed.drill
    named = {name for name, _ in relayed.values}
    assert named <= {"branch"}, "only what the script's own texts name"
    assert decode_rendition(encode_rendition(relayed)) == relayed


def test_a_gateway_that_cuts_texts_itself_gets_them_whole_and_within_the_limit() -> None:
    def made(*, whole: bool, most: int = 9) -> SmsText:
        profile = TextProfile(opt_out="拒收" * 40, max_parts=most, whole=whole)
        rendition = render(POLICE, kind=RenditionKind.SMS, text_profile=profile)
        assert isinstance(rendition, SmsText)
        return rendition

    parts = made(whole=False).parts
    assert len(parts) > 1
    assert made(whole=True).parts == ("".join(parts),)
    with pytest.raises(TextTooLong):
        made(whole=True, most=1)
