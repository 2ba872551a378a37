"""No value becomes a template, a second signature, or personal data in public."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.errors import InputError
from fzalert.messages import DisplayContent, Mail, Post, RenditionKind, SmsText, Speech
from fzalert.scripts import (
    VARIABLES,
    Library,
    Script,
    ScriptSettings,
    personal_data,
    render,
)
from fzalert.scripts.filling import clean

SURFACES = json.loads(
    (Path(__file__).parent.parent / "cases" / "scripts" / "surfaces.json").read_text("utf-8")
)
WITHOUT_TEXT = frozenset({RenditionKind.RELAY, RenditionKind.BANK})
WITH_TEXT = tuple(kind for kind in RenditionKind if kind not in WITHOUT_TEXT)
NAMES = ("county", "town", "village", "bank", "branch", "sign", "unit", "type_name")


def everywhere(text: str, **more: str) -> Script:
    """A script that shows the same text on every surface."""
    fields = {
        "sms": text,
        "display_headline": text,
        "voice": text,
        "group": text,
        "email_subject": text,
        "email_body": text,
        **more,
    }
    body = "\n".join(f"{name} = {json.dumps(value)}" for name, value in fields.items())
    head = '[[script]]\nid = "x-own"\naudience = "general"\nversion = 1\naction = "call"\n'
    return Library.from_toml(f"{head}[script.zh]\n{body}").get("x-own")


def shown(script: Script, kind: RenditionKind, settings: ScriptSettings, **values: str) -> str:
    """Everything of a rendition that a person reads or hears."""
    rendition = render(script, kind=kind, values=values, settings=settings)
    match rendition:
        case SmsText():
            return rendition.text
        case DisplayContent():
            return "\n".join((rendition.title, *rendition.lines, rendition.footer))
        case Speech():
            return rendition.text
        case Mail():
            return rendition.subject + "\n" + rendition.body
        case Post():
            return "\n".join((rendition.title, rendition.text, *(v for _, v in rendition.values)))
        case _:
            raise AssertionError("a relayed warning has no text")


PAYLOADS = [
    "{0}",
    "{}",
    "{hotline!r}",
    "{hotline:>9999}",
    "{hotline.__class__}",
    "{x.__class__.__mro__}",
    "{values[branch]}",
    "{{hotline}}",
    "%(hotline)s",
    "%s%n",
    "${hotline}",
    "{% raw %}",
    "{{ 7*7 }}",
    "{Hotline}",
    "{ hotline }",
    "<b>x</b>",
    "&lt;",
    "<script>alert(1)</script>",
    "'; DROP TABLE t;--",
    "\\x1b[2J",
    "=1+1",
    "#{7*7}",
]


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("kind", [k for k in WITH_TEXT if k is not RenditionKind.SPEECH])
def test_what_only_looks_like_a_template_stays_text(payload: str, kind: RenditionKind) -> None:
    # {{hotline}} holds a true variable within braces; the outer braces stay as they are.
    script = everywhere(payload + "请停")
    settings = ScriptSettings(defaults={"hotline": "110"})
    expected = payload.replace("{hotline}", "110") + "请停"
    assert expected in shown(script, kind, settings)


@pytest.mark.parametrize("payload", [p for p in PAYLOADS if len(p) <= 16])
@pytest.mark.parametrize("kind", WITH_TEXT)
def test_a_configured_name_is_never_read_as_a_template(payload: str, kind: RenditionKind) -> None:
    """A name with braces or tags is refused; any other stands in the text as it is."""
    script = everywhere("到{branch}，请停")
    settings = ScriptSettings(names={"branch": frozenset({payload})})
    if re.search("[{}<>]", payload):
        with pytest.raises(InputError) as caught:
            shown(script, kind, settings, branch=payload)
        assert caught.value.field == "branch"
    elif kind is RenditionKind.SPEECH and re.search("[A-Za-z]", payload):
        with pytest.raises(InputError, match="guess"):
            shown(script, kind, settings, branch=payload)
    else:
        said = payload.replace("1", "幺") if kind is RenditionKind.SPEECH else payload
        assert f"到{said}，请停" in shown(script, kind, settings, branch=payload)


@given(text=st.text(max_size=60))
def test_cleaning_leaves_nothing_that_hides(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]", cleaned
    )
    assert "\r" not in cleaned


@pytest.mark.parametrize("case", SURFACES["public_block"], ids=lambda case: case["text"])
def test_the_detector_knows_personal_data(case: dict[str, object]) -> None:
    assert bool(personal_data(str(case["text"]))) is case["blocked"]


@pytest.mark.parametrize(
    "text",
    ["138-0013-8000", "１３８００１３８０００", "138.0013.8000", "zhang@mail.example", "川R12345"],
)
def test_the_detector_sees_through_disguises(text: str) -> None:
    assert personal_data(text)


PUBLIC = (RenditionKind.DISPLAY, RenditionKind.SPEECH, RenditionKind.POST)
DIGITS = st.text("0123456789", min_size=3, max_size=19)


def attempt(
    script: Script, kind: RenditionKind, settings: ScriptSettings, **values: str
) -> str | InputError:
    """What is shown, or why nothing is."""
    try:
        return shown(script, kind, settings, **values)
    except InputError as refused:
        return refused


@given(digits=DIGITS, name=st.sampled_from(sorted(VARIABLES)), kind=st.sampled_from(PUBLIC))
def test_no_run_of_digits_reaches_the_public_by_any_variable(
    digits: str, name: str, kind: RenditionKind
) -> None:
    """Even where the configuration itself lists it as a name."""
    settings = ScriptSettings(names={each: frozenset({digits}) for each in NAMES})
    private = name in {"amount", "last4", "time"}
    script = everywhere("请停" if private else f"{{{name}}}停")
    result = attempt(script, kind, settings, **{name: digits})
    if isinstance(result, InputError):
        assert result.field == name
        assert len(digits) < 6 or digits not in str(result)
    else:
        assert set(re.findall(r"\d{3,}", result)) <= settings.hotlines
        assert not personal_data(result)


@given(digits=DIGITS, gap=st.sampled_from(["", " ", "-", "·", "支"]), kind=st.sampled_from(PUBLIC))
def test_no_disguised_number_hides_in_a_name(digits: str, gap: str, kind: RenditionKind) -> None:
    name = gap.join(digits)[:16]
    settings = ScriptSettings(names={"branch": frozenset({name})})
    result = attempt(everywhere("到{branch}停"), kind, settings, branch=name)
    assert isinstance(result, InputError) or not personal_data(result)


@given(digits=DIGITS, kind=st.sampled_from((RenditionKind.DISPLAY, RenditionKind.POST)))
def test_a_number_written_into_the_text_itself_is_caught_when_it_is_rendered(
    digits: str, kind: RenditionKind
) -> None:
    result = attempt(everywhere(f"请打{digits}问"), kind, ScriptSettings())
    assert isinstance(result, InputError) is bool(personal_data(digits))
    if isinstance(result, InputError):
        assert result.field == "display_headline"


@pytest.mark.parametrize("kind", PUBLIC)
def test_public_surfaces_take_no_personal_variable(kind: RenditionKind) -> None:
    for name in ("name", "phone", "account"):
        result = attempt(everywhere("请停"), kind, ScriptSettings(), **{name: "50000"})
        assert isinstance(result, InputError)
        assert result.field == name
    unused = attempt(everywhere("请停"), kind, ScriptSettings(), amount="50000")
    assert "50000" not in str(unused)


def test_a_default_of_the_configuration_is_searched_too() -> None:
    settings = ScriptSettings(defaults={"branch": "幺三八零零幺三八零零零"})
    with pytest.raises(InputError, match="personal data") as caught:
        render(everywhere("请停"), kind=RenditionKind.DISPLAY, settings=settings)
    assert caught.value.field == "footer"
