"""Build the documentation site into site/, strictly: `make docs`.

    python tools/docs_site.py [FOLDER]

1. `docs/` is laid under `build/manual`. What a page links to elsewhere in the repository (an
   example, a test, CONTRIBUTING.md) becomes a page beside it, and `<!-- api: MODULE -->` becomes
   the reference of that module.
2. Zensical builds it with `--strict`, in English and once more in Chinese; each page is taken from
   the build of its own language.
3. Every page is read again by `docs_site_check`, which knows nothing of Zensical: no dead link, no
   missing anchor, nothing that a browser would load from another machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tools.docs_api import reference
from tools.docs_site_check import faults

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)")
API = re.compile(r"<!-- api: (\S+) -->\n")
LANGUAGES = {".py": "python", ".toml": "toml", ".sh": "sh", ".json": "json", ".yml": "yaml"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
BROKEN = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef”])\n *(?=[\u4e00-\u9fff“（《])")
CHINESE = ".zh-CN.html"


class Manual:
    """The pages as they are handed to the site's builder, and what they draw in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._todo: list[Path] = []
        self._done: set[Path] = set()

    def lay(self) -> None:
        """Write every page of `docs/` and every file that one of them links to."""
        for path in sorted(DOCS.rglob("*")):
            if path.is_file():
                self._want(path)
        while self._todo:
            self._write(self._todo.pop())

    def _want(self, path: Path) -> Path:
        if path not in self._done:
            self._done.add(path)
            self._todo.append(path)
        return self._place(path)

    def _place(self, path: Path) -> Path:
        """Where a file of the repository lies in the manual."""
        if path.is_relative_to(DOCS) and path.suffix in {".md", ".png", ".css"}:
            return self._folder / path.relative_to(DOCS)
        name = path.relative_to(ROOT).as_posix()
        return self._folder / "files" / (name if path.suffix == ".md" else f"{name}.md")

    def _write(self, path: Path) -> None:
        place = self._place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in {".png", ".css"}:
            shutil.copyfile(path, place)
            return
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".md":
            text = API.sub(lambda found: reference(found[1]), text)
            text = outside_fences(text, lambda part: self._links(part, path))
            # Chinese has no space between words, and a line's end would be one.
            text = outside_fences(text, lambda part: BROKEN.sub("", part))
        else:
            language = LANGUAGES.get(path.suffix, "text")
            text = (
                f"# {path.relative_to(ROOT).as_posix()}\n\n````{language}\n{text.rstrip()}\n````\n"
            )
        place.write_text(text, encoding="utf-8")

    def _links(self, text: str, page: Path) -> str:
        def moved(found: re.Match[str]) -> str:
            target = (page.parent / found[1]).resolve()
            if not target.is_file():
                raise SystemExit(f"{page.relative_to(ROOT)}: {found[1]} leads nowhere")
            to = os.path.relpath(self._want(target), self._place(page).parent)
            return f"]({to}{found[2] or ''})"

        return LINK.sub(moved, text)


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """Change a page's words, and leave its blocks of code as they are."""
    parts = FENCED.split(text)
    return "".join(part if part.startswith("```") else change(part) for part in parts)


def build(site: Path) -> list[str]:
    """Build the site into a folder; returns its faults, which is an empty list if all is well."""
    work = ROOT / "build"
    shutil.rmtree(work / "manual", ignore_errors=True)
    Manual(work / "manual").lay()
    english, chinese = work / "site.en", work / "site.zh"
    for language, folder in (("en", english), ("zh", chinese)):
        if said := built(language, folder):
            return [said]
    for page in chinese.rglob(f"*{CHINESE}"):
        shutil.copyfile(page, english / page.relative_to(chinese))
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(english, site)
    return faults(site)


def built(language: str, folder: Path) -> str:
    """Build the site once, with the frame of one language; returns what Zensical complains of."""
    shutil.rmtree(folder, ignore_errors=True)
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for told, here in (
        ("docs_dir: build/manual", "docs_dir: manual"),
        ("site_dir: site", f"site_dir: {folder.name}"),
        ("  language: en", f"  language: {language}"),
    ):
        if told not in settings:
            raise SystemExit(f"mkdocs.yml has no line {told!r} any more")
        settings = settings.replace(told, here)
    config = folder.with_suffix(f".{language}.yml")
    config.write_text(settings, encoding="utf-8")
    program = Path(sys.executable).with_name("zensical")
    words = [str(program), "build", "--clean", "--strict", "--config-file", str(config)]
    ran = subprocess.run(  # noqa: S603  our own words
        words, cwd=folder.parent, capture_output=True, text=True, check=False
    )
    said = COLOUR.sub("", ran.stdout + ran.stderr).partition("Traceback")[0]
    return said if ran.returncode else ""


def main(argv: list[str]) -> int:
    """Build, and say what is wrong."""
    site = Path(argv[0]).resolve() if argv else ROOT / "site"
    found = build(site)
    for fault in found:
        sys.stderr.write(f"{fault}\n")
    if not found:
        pages = len(list(site.rglob("*.html")))
        sys.stdout.write(f"{pages} pages, no fault: {site / 'index.html'}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
