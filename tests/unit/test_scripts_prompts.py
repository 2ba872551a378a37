"""The recorded prompts say what the library says."""

import json
from importlib import resources

from fzalert.messages import RenditionKind, Speech
from fzalert.scripts import Library, render


def test_every_recorded_prompt_of_a_script_has_the_words_of_its_rendition() -> None:
    """A prompt is found by its words, so one word of difference would silence it."""
    library = Library.load()
    manifest = resources.files("fzalert_voice") / "library" / "manifest.json"
    prompts = [
        each
        for each in json.loads(manifest.read_text("utf-8"))["prompts"]
        if each["variant"] != "clip"
    ]
    assert prompts
    for prompt in prompts:
        script = library.by_key(f"{prompt['script_id']}/{prompt['audience']}/{prompt['version']}")
        audience = "elderly" if prompt["variant"] == "elderly" else "general"
        speech = render(
            script, kind=RenditionKind.SPEECH, audience=audience, language=prompt["language"]
        )
        assert isinstance(speech, Speech)
        assert speech.text == prompt["text"], prompt["key"]
