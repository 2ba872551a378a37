"""Lists of residents as they are handed in: who is written to, who is refused, and why."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xlsxwriter import Workbook

from fzalert.campaigns import AudienceSummary, Recipient, Refusal, RowCode, read_audience, summarise
from fzalert.errors import InputError

Row = Sequence[object]
HEADER = ["姓名", "手机号", "村", "组"]


def number(n: int) -> str:
    return f"138{n:08d}"


def write_xlsx(path: Path, sheets: dict[str, Sequence[Row]]) -> Path:
    with Workbook(str(path), {"strings_to_numbers": False}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for at, row in enumerate(rows):
                sheet.write_row(at, 0, list(row))
    return path


def write_text(path: Path, rows: Sequence[Row], charset: str, between: str = ",") -> Path:
    text = "\r\n".join(between.join(str(cell) for cell in row) for row in rows)
    path.write_bytes(text.encode(charset))
    return path


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple[list[Recipient], AudienceSummary]]:
    """Import rows from a workbook of one sheet."""

    def reading(*rows: Row) -> tuple[list[Recipient], AudienceSummary]:
        return summarise(write_xlsx(tmp_path / "list.xlsx", {"名单": rows}))

    return reading


Read = Callable[..., tuple[list[Recipient], AudienceSummary]]


def people(found: Sequence[Recipient]) -> list[tuple[int, str, dict[str, str]]]:
    return [(one.row, one.target.address, dict(one.tags)) for one in found]


def codes(summary: AudienceSummary) -> list[tuple[int, str]]:
    return [(refusal.row, str(refusal.code)) for refusal in summary.refusals]


def test_the_same_people_in_four_formats_are_the_same_audience(tmp_path: Path) -> None:
    rows: list[Row] = [
        HEADER,
        *((f"某{n}", number(n), ("东沟村", "西坪村")[n % 2], f"{n % 9}组") for n in range(200)),
        ("重复", number(7), "东沟村", "1组"),
        ("座机", "0571-88886666", "东沟村", "1组"),
        ("空", "", "东沟村", "1组"),
    ]
    files = [
        write_xlsx(tmp_path / "a.xlsx", {"名单": rows}),
        write_text(tmp_path / "a.csv", rows, "gbk"),
        write_text(tmp_path / "b.csv", rows, "utf-8-sig"),
        write_text(tmp_path / "c.txt", rows, "utf-16", "\t"),
        write_text(tmp_path / "d.csv", rows, "utf-8", "；".replace("；", ";")),
    ]
    first, summary = summarise(files[0])
    assert len(first) == 200
    assert (summary.rows, summary.duplicates, summary.refused) == (203, 1, 2)
    assert codes(summary) == [(202, "W01"), (203, "W02"), (204, "E01")]
    for file in files[1:]:
        found, other = summarise(file)
        assert people(found) == people(first), file.name
        assert codes(other) == codes(summary), file.name
        assert other.villages == summary.villages


def test_titles_over_the_headers_and_merged_villages_filled_down(tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    with Workbook(str(path)) as book:
        sheet = book.add_worksheet("名单")
        sheet.merge_range(1, 0, 1, 3, "青山县反诈宣传名单")
        sheet.write(2, 0, "2026年11月")
        sheet.write_row(4, 0, ["行政村", "姓名", "联系电话（必填）", "村民小组"])
        sheet.merge_range(5, 0, 7, 0, "东沟村")
        sheet.merge_range(8, 0, 9, 0, "西坪村")
        for at in range(5):
            sheet.write_row(5 + at, 1, [f"某{at}", number(at), f"{at + 1}组"])
    found, summary = summarise(path)
    assert [(one.row, one.tags["village"], one.tags["group"]) for one in found] == [
        (6, "东沟村", "1组"),
        (7, "东沟村", "2组"),
        (8, "东沟村", "3组"),
        (9, "西坪村", "4组"),
        (10, "西坪村", "5组"),
    ]
    assert summary.refusals == []
    assert "姓名" not in str(found)
    assert "某0" not in str(found)


def test_two_rows_of_headers_and_headers_repeated_on_every_page(read: Read) -> None:
    found, summary = read(
        ["村", "联系方式", ""],
        ["", "手机", "座机"],
        ["东沟村", number(1), "0571-88886666"],
        ["村", "手机", "座机"],
        ["", number(2), ""],
    )
    assert [(one.row, one.tags["village"]) for one in found] == [(3, "东沟村"), (5, "东沟村")]
    assert summary.refusals == []


def test_sums_and_signatures_are_no_people_and_end_nothing(read: Read) -> None:
    found, summary = read(
        HEADER,
        ["甲", number(1), "东沟村", ""],
        ["合计", 1, "", ""],
        ["乙", number(2), "西坪村", ""],
        ["填表人：丙", number(3), "", ""],
        ["", "", "", ""],
        ["备注：手机号以户主为准", "", "", ""],
    )
    assert [one.row for one in found] == [2, 4]
    assert codes(summary) == [(3, "W07"), (5, "W07"), (7, "W07")]
    assert (summary.rows, summary.refused, summary.by_code) == (2, 0, {"W07": 3})


def test_every_sheet_is_read_and_one_that_is_no_list_is_named(tmp_path: Path) -> None:
    path = write_xlsx(
        tmp_path / "list.xlsx",
        {
            "说明": [["请各村认真填写"]],
            "一组": [HEADER, ["甲", number(1), "东沟村", ""]],
            "空表": [],
            "二组": [["手机", "村居"], [number(2), ""], [number(1), "西坪村"]],
        },
    )
    found, summary = summarise(path)
    assert [(one.sheet, one.row, one.target.address) for one in found] == [
        ("一组", 2, f"+86{number(1)}"),
        ("二组", 2, f"+86{number(2)}"),
    ]
    # A village does not run over from one sheet into the next.
    assert "village" not in found[1].tags
    twice, no_list = summary.refusals
    assert (twice.sheet, twice.row, twice.code) == ("二组", 3, RowCode.DUPLICATE)
    assert "表 一组 第 2 行" in twice.reason
    assert (no_list.sheet, no_list.code) == ("说明", RowCode.NO_COLUMN)
    assert summary.rows == 4


def test_the_same_row_of_two_sheets_is_two_rows(tmp_path: Path) -> None:
    rows = [["手机"], [number(1)]]
    found, summary = summarise(write_xlsx(tmp_path / "l.xlsx", {"甲": rows, "乙": rows}))
    assert (len(found), summary.rows, summary.duplicates) == (1, 2, 1)


@pytest.mark.parametrize(
    "cell",
    [
        13800138000.0,
        8613800138000.0,
        "'13800138000",
        "’13800138000",
        "+86 138 0013 8000",
        "0086-138-0013-8000",
        "１３８００１３８０００",
        "13800138000.0",
        "138-0013-8000 ",
        "\u200b13800138000\ufeff",
    ],
)
def test_a_number_is_read_however_it_is_written(read: Read, cell: object) -> None:
    found, summary = read(["手机"], [cell])
    assert [one.target.address for one in found] == ["+8613800138000"]
    assert summary.refusals == []


@pytest.mark.parametrize(
    "cell",
    [
        "13800138000/13900139000",
        "13800138000、13900139000",
        "13800138000 13900139000",
        "13800138000\n13900139000",
        "13800138000；13900139000",
        "13800138000或13900139000",
    ],
)
def test_several_numbers_in_a_cell_are_split_and_noted(read: Read, cell: str) -> None:
    found, summary = read(["手机"], [cell])
    assert [one.target.address for one in found] == ["+8613800138000", "+8613900139000"]
    assert {one.note for one in found} == {"W04"}
    assert summary.by_code == {"W04": 2}
    assert summary.rows == 1


def test_the_same_number_twice_in_a_cell_is_one_recipient(read: Read) -> None:
    found, summary = read(["手机"], ["13800138000/13800138000"])
    assert len(found) == 1
    assert codes(summary) == [(2, "W01")]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("1.38001E+10", RowCode.DIGITS_LOST),
        ("1.38E+10/13900139000x", RowCode.DIGITS_LOST),
        ("0571-88886666", RowCode.LANDLINE),
        ("(0571)88886666", RowCode.LANDLINE),
        ("010 62345678", RowCode.LANDLINE),
        ("88886666", RowCode.LANDLINE),
        ("+1 202 555 0147", RowCode.BAD_NUMBER),
        ("+852 9123 4567", RowCode.BAD_NUMBER),
        ("1380013800", RowCode.BAD_NUMBER),
        ("138001380001", RowCode.BAD_NUMBER),
        ("14400001111", RowCode.BAD_NUMBER),
        ("14100001111", RowCode.BAD_NUMBER),
        ("15480001234", RowCode.BAD_NUMBER),
        ("1380O138000", RowCode.BAD_NUMBER),
        ("见户口本", RowCode.BAD_NUMBER),
        (12.5, RowCode.BAD_NUMBER),
        (True, RowCode.BAD_NUMBER),
        ("", RowCode.NO_PHONE),
    ],
)
def test_what_is_no_mobile_is_refused_with_its_row_and_column(
    read: Read, cell: object, code: RowCode
) -> None:
    found, summary = read(["姓名", "手机号码"], ["甲", cell])
    assert found == []
    first = summary.refusals[0]
    assert (first.sheet, first.row, first.column, first.code) == ("名单", 2, "手机号码", code)
    assert " / " in first.reason


def test_a_cell_of_forty_numbers_is_no_person_s_and_is_named_whole(read: Read) -> None:
    found, summary = read(["手机"], ["/".join(number(n) for n in range(40))], [number(99)])
    assert [one.row for one in found] == [3]
    assert codes(summary) == [(2, "E08")]
    assert "40 个号码" in summary.refusals[0].reason
    assert summary.rows == 2


def test_a_number_that_half_the_village_gives_is_pointed_out_once(read: Read) -> None:
    found, summary = read(["手机"], *([[number(1)]] * 30), [number(2)])
    assert len(found) == 2
    assert summary.by_code == {"W01": 29, "W03": 1}
    shared = next(one for one in summary.refusals if one.code is RowCode.SHARED)
    assert shared.row == 22
    assert (summary.rows, summary.duplicates, summary.refused) == (31, 29, 0)


def test_forty_columns_and_numbers_as_numbers_are_read(read: Read) -> None:
    wide: list[object] = ["x"] * 38
    found, summary = read(
        [*wide, "村", "手机"], [*wide, "东沟村", 13800138000.0], [*wide, "", "1.38E+10"]
    )
    assert [one.target.address for one in found] == ["+8613800138000"]
    assert codes(summary) == [(3, "E03")]


@pytest.mark.parametrize("code", RowCode)
def test_every_code_is_in_the_manual(code: RowCode) -> None:
    manual = Path(__file__).parents[2] / "docs" / "lists.md"
    assert f"| `{code}` |" in manual.read_text(encoding="utf-8")


def test_a_refusal_shows_neither_number_nor_name(read: Read) -> None:
    _, summary = read(["手机"], ["张三13800138000"], ["138001380001"], ["057188886666"])
    text = str(summary.refusals)
    assert "张三" not in text
    assert "13800138000" not in text
    assert "057188886666" not in text


def test_a_second_phone_column_serves_where_the_first_has_no_good_number(read: Read) -> None:
    found, summary = read(
        ["户主电话", "手机", "村"],
        ["0571-88886666", number(1), "东沟村"],
        ["", number(2), "东沟村"],
        [number(3), number(4), "东沟村"],
        ["", "", "东沟村"],
    )
    assert [one.target.address[-1] for one in found] == ["1", "2", "3"]
    assert codes(summary) == [(2, "W02"), (5, "E01")]
    assert summary.refusals[0].column == "户主电话"


def test_ragged_rows_lose_nobody(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        f"村,姓名,手机\n东沟村,甲,{number(1)},多,余\n西坪村,乙\n\n,丙,{number(2)}\n",
        encoding="utf-8",
    )
    found, summary = summarise(path)
    assert people(found) == [
        (2, f"+86{number(1)}", {"village": "东沟村"}),
        (5, f"+86{number(2)}", {"village": "西坪村"}),
    ]
    assert codes(summary) == [(3, "E01")]


def test_a_long_list_is_read_in_memory_that_stays_small(tmp_path: Path) -> None:
    rows: list[Row] = [HEADER, *(("某", number(n), "东沟村", "1组") for n in range(20_000))]
    path = write_text(tmp_path / "long.csv", rows, "gbk")
    with path.open("rb") as file:
        count = sum(isinstance(item, Recipient) for item in read_audience(file, path.name))
    assert count == 20_000


phones = st.one_of(
    st.integers(0, 50).map(number),
    st.integers(0, 50).map(lambda n: float(number(n))),
    st.sampled_from(["", "0571-88886666", "1.38E+10", "12345", "见本人", "13800138000/"]),
    st.text(alphabet="0123456789+-/、 ()Ee.转张", max_size=24),
)


@given(cells=st.lists(phones, min_size=1, max_size=30))
def test_every_row_ends_as_a_recipient_or_a_refusal(
    cells: list[object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("audience")
    rows: list[Row] = [["姓名", "手机"], *(("某", cell) for cell in cells)]
    with write_xlsx(folder / "list.xlsx", {"名单": rows}).open("rb") as file:
        items = list(read_audience(file, "list.xlsx"))
    told = {item.row for item in items}
    assert told == set(range(2, len(cells) + 2))
    targets = [item.target for item in items if isinstance(item, Recipient)]
    assert len(set(targets)) == len(targets)
    assert all(item.reason for item in items if isinstance(item, Refusal))


def test_an_empty_file_and_one_without_numbers_are_told_apart(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        summarise(empty)
    other = write_xlsx(tmp_path / "other.xlsx", {"名单": [["姓名", "村"], ["甲", "东沟村"]]})
    with pytest.raises(InputError, match="no column of phone numbers") as refused:
        summarise(other)
    assert "手机号" in refused.value.hint
    assert refused.value.field == "file"
