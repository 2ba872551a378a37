"""The charset of a list, read piece by piece: nothing changes where a piece ends."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.campaigns.charset import open_text
from fzalert.errors import InputError

PIECE = 65_536
LINE = "甲𠮷,13800138000\n"


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("shift", range(8))
def test_a_character_that_two_pieces_share_is_one(charset: str, shift: int) -> None:
    text = "x" * shift + LINE * (2 * PIECE // len(LINE))
    assert open_text(io.BytesIO(text.encode(charset)), "list.csv").read() == text


@given(charset=st.sampled_from(["utf-8", "gb18030"]), at=st.integers(0, 9000))
def test_the_line_of_the_first_bad_byte_is_named_wherever_it_is(charset: str, at: int) -> None:
    lines = [LINE.encode(charset)] * 9001
    lines[at] = b"\xff" + lines[at]
    with pytest.raises(InputError) as refused:
        open_text(io.BytesIO(b"".join(lines)), "list.csv")
    assert refused.value.row == at + 1


@pytest.mark.parametrize("charset", ["utf-8", "gb18030"])
def test_a_text_that_ends_inside_a_character_is_refused_at_its_last_line(charset: str) -> None:
    data = (LINE * 5000).encode(charset) + "乙乙乙乙乙".encode(charset)[:-1]
    with pytest.raises(InputError) as refused:
        open_text(io.BytesIO(data), "list.csv")
    assert refused.value.row == 5001


def test_gbk_with_a_long_beginning_of_plain_letters_is_gbk() -> None:
    text = "name,phone\n" * 20_000 + "甲,13800138000\n"
    assert open_text(io.BytesIO(text.encode("gbk")), "list.csv").read() == text
