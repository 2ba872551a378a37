"""What a picture or a video is, by its content; the playlist; the folder."""

import asyncio
import hashlib
import json
import shutil
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fzalert_display.kiosk import IdleCard, KioskConfig, ScreenConfig
from fzalert_display.kiosk.media import MOST_PIXELS, media_facts
from fzalert_display.kiosk.playlist import playlist_of
from fzalert_display.kiosk.shelf import MOST_AT_ONCE, Shelf

CASES = Path(__file__).parents[2] / "tests" / "cases" / "kiosk" / "media"
SCREENS = (ScreenConfig(name="lobby"),)


def png(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
    )


class TestFacts:
    @pytest.mark.parametrize(
        ("name", "kind", "media_type", "size"),
        [
            ("poster.png", "image", "image/png", (320, 180)),
            ("poster.jpg", "image", "image/jpeg", (1920, 1080)),
            ("poster.webp", "image", "image/webp", (1920, 1080)),
            ("film.webm", "video", "video/webm", (0, 0)),
            ("film.mp4", "video", "video/mp4", (0, 0)),
        ],
    )
    def test_each_type_is_told_by_its_content(
        self, name: str, kind: str, media_type: str, size: tuple[int, int]
    ) -> None:
        data = (CASES / name).read_bytes()
        facts = media_facts(data, len(data))
        assert (facts.kind, facts.media_type) == (kind, media_type)
        assert (facts.width, facts.height) == size
        assert name.endswith(facts.suffix)

    # Published forms of the three WebP headers, 400 x 301.
    @pytest.mark.parametrize(
        "chunk",
        [
            b"VP8 " + bytes(4) + b"\x50\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 400, 301),
            b"VP8L" + bytes(4) + b"\x2f" + (399 | 300 << 14).to_bytes(4, "little"),
            b"VP8X"
            + bytes(4)
            + bytes(4)
            + (399).to_bytes(3, "little")
            + (300).to_bytes(3, "little"),
        ],
    )
    def test_each_webp_tells_its_size(self, chunk: bytes) -> None:
        facts = media_facts(b"RIFF" + bytes(4) + b"WEBP" + chunk + bytes(8), 64)
        assert (facts.width, facts.height) == (400, 301)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"<html>",
            b"GIF89a" + bytes(20),
            b"\x89PNG\r\n\x1a\n",
            b"\x1aE\xdf\xa3\x93\x42\x82\x88matroska",
            b"\xff\xd8\xff\xd9",
            b"RIFF\0\0\0\0WEBPVP8 ",
            b"MZ" + bytes(64),
        ],
    )
    def test_everything_else_is_refused(self, data: bytes) -> None:
        with pytest.raises(ValueError, match=r"it is no|has no"):
            media_facts(data, len(data))

    def test_forty_million_pixels_are_the_most(self) -> None:
        assert media_facts(png(8000, 5000), 100).width == 8000
        with pytest.raises(ValueError, match="40 million"):
            media_facts(png(8001, 5000), 100)
        assert MOST_PIXELS == 8000 * 5000
        with pytest.raises(ValueError, match="no size"):
            media_facts(png(0, 5000), 100)

    @pytest.mark.parametrize(("name", "most"), [("poster.png", 20), ("film.mp4", 200)])
    def test_a_file_has_a_longest_length(self, name: str, most: int) -> None:
        head = (CASES / name).read_bytes()
        assert media_facts(head, most * 1_048_576)
        with pytest.raises(ValueError, match="bytes"):
            media_facts(head, most * 1_048_576 + 1)

    @given(
        st.sampled_from(["poster.png", "poster.jpg", "poster.webp", "film.webm", "film.mp4"]),
        st.integers(0, 4096),
        st.integers(0, 255),
        st.integers(0, 4096),
    )
    def test_a_damaged_file_is_read_or_refused(
        self, name: str, at: int, byte: int, length: int
    ) -> None:
        data = bytearray((CASES / name).read_bytes())
        data[at % len(data)] = byte
        try:
            facts = media_facts(bytes(data[:length]), len(data))
        except ValueError:
            return
        assert facts.width * facts.height <= MOST_PIXELS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CASES, tmp_path / "media"))


def config(folder: Path | None, *cards: IdleCard) -> KioskConfig:
    return KioskConfig(name="k", displays=SCREENS, media=folder, idle=cards)


class TestSettings:
    def test_a_file_that_cannot_be_shown_is_named(self, folder: Path) -> None:
        (folder / "script.png").write_text("<svg onload='x()'/>", encoding="utf-8")
        for name, why in (("script.png", "by its content"), ("gone.png", "No such file")):
            with pytest.raises(ValidationError, match=f"{name}: it .*{why}"):
                config(folder, IdleCard(title="图", media=name))

    def test_a_picture_needs_its_folder(self) -> None:
        with pytest.raises(ValidationError, match="name the folder"):
            config(None, IdleCard(title="图", media="poster.png"))

    @pytest.mark.parametrize("name", ["../poster.png", "a/b.png", ".hidden", "a\\b", "/etc/passwd"])
    def test_a_name_leads_nowhere_else(self, name: str) -> None:
        with pytest.raises(ValidationError, match="media"):
            IdleCard(title="图", media=name)


class TestPlaylist:
    async def test_it_names_each_file_by_its_hash(self, folder: Path) -> None:
        settings = config(
            folder,
            IdleCard(title="刷单都是诈骗", lines=("别垫钱",)),
            IdleCard(title="海报", media="poster.png"),
            IdleCard(title="短片", media="film.webm", seconds=30),
        )
        shelf = Shelf()
        await shelf.fill(settings.media, ["poster.png", "film.webm"])
        playlist = playlist_of(settings, shelf)
        assert playlist.sha256 == hashlib.sha256(playlist.body).hexdigest()
        text, picture, film = json.loads(playlist.body)["cards"]
        assert text["media"] is None
        sha256 = hashlib.sha256((CASES / "poster.png").read_bytes()).hexdigest()
        assert (picture["media"]["file"], picture["media"]["kind"]) == (f"{sha256}.png", "image")
        assert (film["media"]["show_ms"], film["media"]["kind"]) == (30_000, "video")
        assert shelf.kinds == {"image", "video"}

    async def test_a_card_whose_picture_vanished_is_left_out_and_said(self, folder: Path) -> None:
        settings = config(
            folder, IdleCard(title="一", media="poster.png"), IdleCard(title="二", media="film.mp4")
        )
        (folder / "poster.png").unlink()
        shelf = Shelf()
        await shelf.fill(settings.media, ["poster.png", "film.mp4"])
        cards = json.loads(playlist_of(settings, shelf).body)["cards"]
        assert [card["id"] for card in cards] == ["idle-1"]
        assert "poster.png" in shelf.missing

    def test_no_cards_are_no_playlist(self) -> None:
        assert playlist_of(config(None), Shelf()).sha256 == ""


class TestShelf:
    @pytest.fixture
    async def shelf(self, folder: Path) -> Shelf:
        shelf = Shelf()
        (folder / "poster.jpg").write_bytes((CASES / "poster.jpg").read_bytes() + bytes(262_144))
        await shelf.fill(folder, ["poster.jpg"])
        return shelf

    async def test_a_file_comes_whole_and_in_pieces(self, shelf: Shelf) -> None:
        file = shelf.named["poster.jpg"]
        pieces = [piece async for piece in shelf.read(file)]
        assert b"".join(pieces) == (CASES / "poster.jpg").read_bytes() + bytes(262_144)
        assert len(pieces) == 2
        assert shelf.find(file.name) is file
        assert shelf.find("poster.jpg") is None

    async def test_a_file_that_was_changed_is_not_offered(self, shelf: Shelf, folder: Path) -> None:
        file = shelf.named["poster.jpg"]
        assert await shelf.is_whole(file)
        (folder / "poster.jpg").write_bytes(b"short")
        assert not await shelf.is_whole(file)
        assert "changed" in shelf.missing["poster.jpg"]
        (folder / "poster.jpg").unlink()
        assert not await shelf.is_whole(file)
        assert [piece async for piece in shelf.read(file)] == []

    async def test_only_some_download_at_once(self, shelf: Shelf) -> None:
        file = shelf.named["poster.jpg"]
        running = [shelf.read(file) for _ in range(MOST_AT_ONCE)]
        await asyncio.gather(*(anext(one) for one in running))
        assert shelf.busy
        await running[0].aclose()
        assert not shelf.busy
        for one in running[1:]:
            await one.aclose()
