"""The library: what ships, what a county adds, and what is refused when it loads."""

import hashlib
import json
import pickle
import unicodedata

import pytest

from fzalert.errors import ConfigError, InputError, UnknownScript
from fzalert.messages import RenditionKind
from fzalert.scripts import Library, canonical

OWN = """
[[script]]
id = "{id}"
audience = "general"
version = {version}
action = "call"
[script.title]
zh = "赶集"
en = "market"
[script.zh]
sms = "{sms}"
{more}
"""


def own(
    id: str = "x-market", version: int = 1, sms: str = "有人送礼拉群别信，打96110。", more: str = ""
) -> str:
    return OWN.format(id=id, version=version, sms=sms, more=more)


def test_every_fraud_type_has_a_script_except_the_private_one() -> None:
    library = Library.load()
    without = set(library.types) - library.ids()
    assert without == {"naked-chat-extortion"}
    assert not library.types["naked-chat-extortion"].public
    assert len(library.types) == 38
    assert {script.kind for script in library} == {"warning", "ops"}


@pytest.mark.parametrize(
    ("id", "kinds"),
    [
        ("urgent-victim", {RenditionKind.SMS}),
        ("urgent-victim-bank", {RenditionKind.SMS}),
        ("phone-near-atm", {RenditionKind.SPEECH}),
        ("counter-followup", {RenditionKind.SMS}),
        ("market-day", {RenditionKind.SPEECH, RenditionKind.DISPLAY}),
    ],
)
def test_operational_templates_ship_too(id: str, kinds: set[RenditionKind]) -> None:
    script = Library.load().get(id)
    for language in ("zh", "en"):
        texts = script.texts(language)
        assert texts is not None
        assert texts.kinds() == kinds


def test_every_shipped_warning_serves_every_channel_in_both_languages() -> None:
    without_text = {RenditionKind.RELAY, RenditionKind.BANK}
    for script in Library.load():
        if script.kind == "warning":
            for language in ("zh", "en"):
                texts = script.texts(language)
                assert texts is not None
                assert texts.kinds() == set(RenditionKind) - without_text, script.key


def test_every_script_has_a_name_in_both_languages() -> None:
    library = Library.load()
    assert library.titles["impersonating-police"].zh == "冒充公检法及政府机关"
    assert library.titles["market-day"].en == "market-day notice"
    for id in library.ids():
        assert library.titles[id].zh != id


def test_shipped_texts_are_in_nfc() -> None:
    for script in Library.load():
        for _, text in script.renditions():
            assert unicodedata.is_normalized("NFC", text)


def test_a_digest_is_the_sha256_of_sorted_json_without_spaces() -> None:
    script = Library.load().get("impersonating-police")
    data = canonical(script)
    assert script.digest == hashlib.sha256(data).hexdigest()
    content = json.loads(data)
    again = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert again.encode() == data
    assert content["texts"]["zh.led"] == "公安没有安全账户，转账就是骗"
    assert content["texts"]["zh.display_bullets.3"] == "挂断电话，打110"


def test_a_digest_changes_with_what_people_read_and_with_nothing_else() -> None:
    first = Library.from_toml(own()).get("x-market")
    assert Library.from_toml(own(more='[script.en]\nsms_long = "Stop."')).get(
        "x-market"
    ).digest not in {first.digest}
    assert Library.from_toml(own(sms="别信，打96110。")).get("x-market").digest != first.digest
    stop = own().replace('action = "call"', 'action = "stop"')
    asking = own().replace('action = "call"', 'action = "call"\ncounter = ["q-secret"]')
    for other in (stop, asking):
        assert Library.from_toml(other).get("x-market").digest != first.digest
    noted = own().replace('action = "call"', 'action = "call"\nauthor = "a"\nstatus = "published"')
    assert Library.from_toml(noted).get("x-market").digest == first.digest


def test_elderly_gets_the_elder_variants_and_falls_back_to_the_general_texts() -> None:
    script = Library.load().get("impersonating-police", audience="elderly")
    assert script.audience == "general"
    plain, elder = script.texts("zh"), script.texts("zh-CN", "elderly")
    assert plain is not None
    assert elder is not None
    assert elder.sms == script.elder.sms != plain.sms
    assert elder.voice == script.elder.voice
    assert elder.display_headline == "电话警察是假的"
    assert elder.display_bullets == plain.display_bullets
    assert elder.group == plain.group


def test_a_voice_for_old_people_stands_in_where_there_is_no_elder_table() -> None:
    more = 'voice = "请挂断。"\nvoice_elder = "挂断。"'
    script = Library.from_toml(own(more=more)).get("x-market", "elderly")
    texts = script.texts("zh", "elderly")
    assert texts is not None
    assert texts.voice == "挂断。"


def test_a_language_that_is_not_there_is_none() -> None:
    script = Library.load().get("generic")
    assert script.texts("bo") is None
    assert script.texts("en-GB") is not None


@pytest.mark.parametrize(
    ("id", "audience", "said"),
    [
        ("impersonating-polise", "general", "Is it impersonating-police"),
        ("刷单", "general", "Is it brushing-rebate"),
        ("card-lending", "general", "not written for 'general', but for students"),
        ("", "general", "scripts list"),
        ("zzzz", "general", "scripts list"),
    ],
)
def test_an_unknown_script_names_what_is_close(id: str, audience: str, said: str) -> None:
    with pytest.raises(UnknownScript, match="script") as caught:
        Library.load().get(id, audience)
    assert said in str(caught.value)
    assert isinstance(caught.value, InputError)
    assert pickle.loads(pickle.dumps(caught.value)).field == "script"  # noqa: S301  our own bytes


def test_an_unknown_version_names_those_there_are() -> None:
    with pytest.raises(UnknownScript, match="has no version 7; there is 1"):
        Library.load().get("generic", version=7)


def test_an_audience_without_its_own_script_gets_the_one_for_everyone() -> None:
    assert Library.load().get("generic", "merchants").audience == "general"


def test_a_key_finds_its_script() -> None:
    library = Library.load()
    for script in library:
        assert library.by_key(script.key) is script
    with pytest.raises(UnknownScript):
        library.by_key("generic/general/99")


def test_the_newest_version_is_taken_by_default() -> None:
    library = Library.from_toml(own("generic", 2))
    assert library.get("generic").version == 2
    assert library.get("generic", version=1).digest == Library.load().get("generic").digest
    assert [each.version for each in library.versions("generic")] == [2, 1]
    assert len(library) == len(Library.load()) + 1


def test_a_county_adds_on_top_of_what_it_added() -> None:
    first = Library.from_toml(own())
    assert Library.from_toml(own(version=2), over=first).get("x-market").version == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (own("my-own"), "begins with x-"),
        (own("generic", 1), "exists with another text"),
        (own(version=0), "version"),
        (own("X-Market"), "small letters"),
        (own("x-market") + own("x-market"), "twice in the file"),
        (own().replace('"call"', '"fly"'), "action"),
        (own().replace('"general"', '"aliens"'), "audience"),
        (own(more='smss = "x"'), "smss: Extra inputs"),
        (own(sms="请看{nmae}，打96110。"), "{nmae} is no variable (L08)"),
        (own(more='led = "尾号{last4}停"'), "zh.led: needs {last4}, which no public surface"),
        (own(more='voice = "转账{amount}请停"'), "zh.voice: needs {amount}"),
        (own(more='group = "{last4}请停"'), "zh.group: needs {last4}"),
        (own(more='display_bullets = ["一", "二"]'), "exactly three"),
        (own(more='display_bullets = ["一", "二", "请停{time}"]'), "bullets.3: needs {time}"),
        (own(more='email_subject = "请停"'), "subject and body"),
        (own(more='led = "请停\\n"'), "control or invisible"),
        (own(more='led = "请\\u202e停"'), "control or invisible"),
        (own(more='led = "e\\u0301"'), "not in NFC"),
        (own(more='led = " "'), "empty"),
        (own(more="[script.Klingon]"), "no language tag"),
        ("schema = 2", "schema"),
        ("script = 1", "[[script]]"),
        ("script = [1]", "[[script]]"),
        ("scripts = []", "unknown"),
        ("= =", "Mend the TOML"),
    ],
)
def test_a_file_that_cannot_be_sent_does_not_load(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Library.from_toml(text, file="county.toml")
    assert said in str(caught.value)
    assert "county.toml" in str(caught.value)


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Library.from_toml(own(sms="{a}") + own("x-b", more='led = "{amount}"'), file="c.toml")
    assert "c.toml: x-market/general/1: zh.sms: {a}" in str(caught.value)
    assert "c.toml: x-b/general/1: zh.led: needs {amount}" in str(caught.value)


def test_a_private_fraud_type_takes_no_public_rendition() -> None:
    Library.from_toml(own("naked-chat-extortion"))
    with pytest.raises(ConfigError, match="has no public rendition"):
        Library.from_toml(own("naked-chat-extortion", more='led = "请停"'))


def test_an_sms_may_need_what_a_screen_may_not_show() -> None:
    script = Library.from_toml(own(sms="尾号{last4}请停。")).get("x-market")
    assert script.languages["zh"].sms == "尾号{last4}请停。"
