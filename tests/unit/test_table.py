"""Files of any kind as tables: read, or refused with what to do; never anything else."""

import io
import struct
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from xlsxwriter import Workbook

from fzalert.campaigns import summarise
from fzalert.campaigns.charset import open_text
from fzalert.campaigns.table import open_list
from fzalert.campaigns.table import read_rows as rows_of
from fzalert.errors import InputError

LIST = "姓名,手机号\n甲,13800138000\n乙,13900139000\n"


def workbook(*rows: list[object]) -> bytes:
    made = io.BytesIO()
    with Workbook(made, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate(rows):
            sheet.write_row(at, 0, row)
    return made.getvalue()


GOOD = workbook(["姓名", "手机号"], ["甲", "13800138000"], ["乙", 13900139000])


def decode(data: bytes, name: str) -> str:
    """A list as text, in the charset that it has."""
    return open_text(io.BytesIO(data), name).read()


def read_rows(path: Path) -> list[tuple[str, int, list[str | float | None]]]:
    with open_list(path) as file:
        return list(rows_of(file, path.name))


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_text_is_decoded_by_rule(charset: str) -> None:
    text = LIST + "丙𠮷,13700137000\n" if charset != "gbk" else LIST
    assert decode(text.encode(charset), "list.csv") == text


def test_big_endian_with_its_mark_is_read() -> None:
    assert decode(b"\xfe\xff" + LIST.encode("utf-16-be"), "list.csv") == LIST


def test_the_first_line_that_cannot_be_decoded_is_named() -> None:
    rows = LIST * 3
    for charset in ("utf-8", "gbk"):
        damaged = rows.encode(charset) + b"\xff\xff,13700137000\n" + rows.encode(charset)
        with pytest.raises(InputError) as refused:
            decode(damaged, "list.csv")
        assert refused.value.row == 10, charset
        assert "line 10" in str(refused.value)
        assert "UTF-8" in refused.value.hint


def test_a_line_of_a_two_byte_charset_is_counted_by_its_line_ends() -> None:
    # The low byte of 上 is that of a line feed.
    text = "上上上,手机\r\n上,1\r\n"
    damaged = text.encode("utf-16") + b"\x00\xd8" + "x".encode("utf-16-le")
    with pytest.raises(InputError) as refused:
        decode(damaged, "list.txt")
    assert refused.value.row == 3


def test_two_byte_text_without_its_mark_and_a_workbook_named_csv_are_refused() -> None:
    with pytest.raises(InputError, match="no text in UTF-8 or GBK"):
        decode("phone,a\n1,2\n".encode("utf-16-le"), "list.csv")
    with pytest.raises(InputError, match="is a workbook"):
        decode(GOOD, "list.csv")


def test_a_lone_quotation_mark_swallows_no_rows(tmp_path: Path) -> None:
    text = LIST + '丙,"13700137000\n丁,13600136000\n'
    with pytest.raises(InputError) as refused:
        summarise(written(tmp_path, "list.csv", text.encode()))
    assert refused.value.row == 4


def test_a_quoted_cell_of_two_lines_counts_as_one_row(tmp_path: Path) -> None:
    text = '姓名,手机号\n"甲\n（户主）",13800138000\n乙,1\n'
    _, summary = summarise(written(tmp_path, "list.csv", text.encode()))
    assert [refusal.row for refusal in summary.refusals] == [3]


@pytest.mark.parametrize("name", ["list.xls", "list.docx", "list.pdf", "list", "list.et"])
def test_what_is_no_table_is_refused_with_a_hint(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no table") as refused:
        (read_rows(written(tmp_path, name, b"anything")))
    assert ".xlsx or .csv" in refused.value.hint


def test_an_old_or_locked_workbook_is_told_so(tmp_path: Path) -> None:
    old = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(504)
    with pytest.raises(InputError, match=r"old \.xls, or it has a password"):
        (read_rows(written(tmp_path, "list.xlsx", old)))


def test_a_document_named_xlsx_is_refused(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("word/document.xml", "<w:document/>")
    with pytest.raises(InputError, match="no workbook that can be read"):
        (read_rows(written(tmp_path, "list.xlsx", made.getvalue())))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    for path in (tmp_path / "none.csv", folder):
        with pytest.raises(InputError, match="no file") as refused:
            (read_rows(path))
        assert refused.value.field == "file"


def bomb(size: int, *, honest: bool = True) -> bytes:
    """A workbook whose sheet unpacks to `size`; its directory may say otherwise."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(GOOD)) as good,
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for member in good.infolist():
            data = good.read(member)
            if member.filename.endswith("sheet1.xml"):
                data = b" " * size + data
            archive.writestr(member.filename, data)
    data = made.getvalue()
    if honest:
        return data
    at = data.rindex(b"xl/worksheets/sheet1.xml") - 46
    assert data[at : at + 4] == b"PK\x01\x02"
    return data[: at + 24] + struct.pack("<I", 1000) + data[at + 28 :]


@pytest.mark.parametrize("honest", [True, False])
def test_a_bomb_is_refused_before_any_parser_runs(
    tmp_path: Path, honest: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    path = written(tmp_path, "list.xlsx", bomb(50_000_000, honest=honest))
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="unpacks to 50 MB") as refused:
        (read_rows(path))
    assert "new workbook" in refused.value.hint


@pytest.mark.parametrize(
    "cell",
    [
        b'<c r="XFD1048576" t="s"><v>0</v></c>',
        b"<x:c a='>' r = 'xfd1048576' t='s'><x:v>0</x:v></x:c>",
        b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        b'<row r="99999999"><c><v>1</v></c></row>',
    ],
)
def test_a_cell_far_out_is_refused_before_any_parser_runs(
    tmp_path: Path, cell: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(GOOD)) as good, zipfile.ZipFile(made, "w") as archive:
        for member in good.infolist():
            data = good.read(member).replace(b"</sheetData>", cell + b"</sheetData>")
            archive.writestr(member.filename, data)
    with pytest.raises(InputError, match="would be too large to read"):
        (read_rows(written(tmp_path, "list.xlsx", made.getvalue())))


def test_borders_down_to_the_last_row_are_no_cells(tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    with Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write_column(0, 0, ["手机", "13800138000"])
        sheet.write_blank(1_048_575, 40, None, book.add_format({"border": 1}))
    assert len(summarise(path)[0]) == 1


def test_a_small_workbook_that_packs_well_is_read(tmp_path: Path) -> None:
    people: list[list[object]] = [["13800138000"]] * 3000
    recipients, summary = summarise(written(tmp_path, "list.xlsx", workbook(["手机号"], *people)))
    assert (len(recipients), summary.duplicates) == (1, 2999)


def test_rows_keep_their_numbers_under_empty_ones(tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    with Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write(4, 2, "手机")
        sheet.write(6, 2, "1")
    _, summary = summarise(path)
    assert [refusal.row for refusal in summary.refusals] == [7]


def field_of_refusal(path: Path) -> str:
    """Read a file; any other exception than an `InputError` is the test's failure."""
    try:
        summarise(path)
    except InputError as refused:
        return refused.field
    return ""


@given(data=st.binary(max_size=400), suffix=st.sampled_from([".csv", ".txt", ".xlsx", ".xlsm"]))
@example(data=b"\xff\xfe\x00", suffix=".csv")
@example(data=b"PK\x05\x06" + bytes(18), suffix=".xlsx")
def test_any_bytes_are_read_or_refused(
    data: bytes, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = written(tmp_path_factory.mktemp("any"), f"list{suffix}", data)
    assert field_of_refusal(path) in {"", "file"}


@given(
    changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 200),
)
def test_a_damaged_workbook_is_read_or_refused(
    changes: list[tuple[int, int]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray(GOOD)
    for at, byte in changes:
        data[at] = byte
    path = written(tmp_path_factory.mktemp("damaged"), "list.xlsx", bytes(data[: len(data) - cut]))
    assert field_of_refusal(path) in {"", "file"}
