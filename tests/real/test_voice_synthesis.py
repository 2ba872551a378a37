"""espeak-ng itself: what it says, how it fails, and that the proof tells its sentences apart."""

from pathlib import Path

import numpy as np
import pytest

from fzalert_voice.level import RATE, Samples, loudness, to_level
from fzalert_voice.proof import match
from fzalert_voice.synthesis import Espeak, SynthesisFault

SENTENCES = [
    "公安机关没有安全账户，也不会电话办案。",
    "请不要一边接听电话一边转账汇款。",
    "对方账户涉嫌诈骗，请立即停止操作。",
    "陌生人让您下载软件，一定是诈骗。",
    "刷单返利都是诈骗，请不要垫付资金。",
    "投资有内幕消息，那是骗子的话。",
    "冒充客服退款，不要共享屏幕。",
    "贷款先交保证金，就是诈骗。",
    "孙子出事要钱，请先打电话问他本人。",
    "不要把银行卡和密码交给别人。",
    "有人上门取现金，请马上报警。",
    "老师在群里收费，请先打电话核实。",
    "领导加您好友借钱，请当面问清楚。",
    "买卖游戏账号，请走官方平台。",
    "网上交友带您投资，请停止联系。",
    "中奖要先交税，那是骗人的。",
    "注销校园贷，都是诈骗。",
    "航班取消改签，请打航空公司电话。",
    "免费领鸡蛋拉群，请别轻信。",
    "虚假征信修复，请不要相信。",
    "屏幕共享会看到您的密码。",
]


def test_it_speaks_chinese_and_remembers_it() -> None:
    espeak = Espeak()
    sound = espeak.speak("请拨打九六幺幺零。", "zh-CN")
    assert 1.0 < len(sound) / RATE < 6.0
    assert loudness(sound) > -40
    assert espeak.speak("请拨打九六幺幺零。", "zh") is sound
    assert espeak.speak("请拨打96110。", "zh-CN") is sound, "digits are said one by one"


def test_a_text_that_looks_like_an_option_is_spoken() -> None:
    assert len(Espeak().speak("--version", "en")) > RATE // 4


def test_a_language_without_a_voice_is_refused_for_good() -> None:
    with pytest.raises(SynthesisFault) as caught:
        Espeak().speak("བཀྲ་ཤིས།", "bo")
    assert not caught.value.passing


def test_a_missing_program_says_what_to_install() -> None:
    with pytest.raises(SynthesisFault, match="not installed") as caught:
        Espeak("no-such-espeak").speak("您好。", "zh-CN")
    assert caught.value.code == "no-voice"


def script(folder: Path, text: str) -> str:
    path = folder / "espeak"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("text", "code", "passing"),
    [
        ("exec sleep 60", "synthesis-timeout", True),
        ("exit 1", "no-voice", True),
        ("echo no sound", "no-voice", False),
    ],
)
def test_a_program_that_hangs_or_fails_is_named(
    tmp_path: Path, text: str, code: str, passing: bool
) -> None:
    espeak = Espeak(script(tmp_path, text), timeout=0.5)
    with pytest.raises(SynthesisFault) as caught:
        espeak.speak("您好。", "zh-CN")
    assert (caught.value.code, caught.value.passing) == (code, passing)


def test_twenty_other_sentences_of_the_same_voice_are_rejected() -> None:
    espeak = Espeak()
    spoken: list[Samples] = [to_level(espeak.speak(text, "zh-CN")) for text in SENTENCES]
    prompt, others = spoken[0], spoken[1:]
    assert len(others) == 20
    silence = np.zeros(RATE // 2)
    for sound in others:
        capture = np.concatenate([silence, sound, silence])
        assert not match(prompt, capture, reference_rate=RATE, capture_rate=RATE).passed
    capture = np.concatenate([silence, prompt, silence])
    assert match(prompt, capture, reference_rate=RATE, capture_rate=RATE).passed
