"""Lists of residents as villages hand them in: a workbook and a GBK text, with what goes wrong.

The people do not exist. The numbers are made from allocated segments; nothing leaves this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

_SEGMENTS = (
    "134",
    "135",
    "136",
    "137",
    "138",
    "139",
    "150",
    "151",
    "152",
    "158",
    "159",
    "182",
    "183",
    "187",
    "188",
    "198",
)
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = "建国秀英桂兰志强玉梅海燕春花明华丽娟德福小军"
_VILLAGES = ("东沟村", "西坪村", "南河村", "北岭村", "柳树湾村", "石桥村")


@dataclass(frozen=True, slots=True)
class Lists:
    """Two files and what should come of them.

    Attributes:
        workbook: Headers under a title row, phones as text and as numbers.
        text: GBK, as a spreadsheet saves it.
        good: How many different numbers can be written to, in both together.
        bad: How many rows or numbers must be refused, in both together.
        numbers: The good numbers as a file, one a line, for the independent recount.
    """

    workbook: Path
    text: Path
    good: int
    bad: int
    numbers: Path


def make_lists(folder: Path, people: int, seed: int) -> Lists:
    """Write both lists for `people` different numbers."""
    rng = Random(seed)  # noqa: S311  chance that repeats is the point
    numbers = _numbers(rng, people)
    rows = [
        (_name(rng), number, f"{_VILLAGES[place % len(_VILLAGES)]}", f"{place % 9 + 1}组")
        for place, number in enumerate(numbers)
    ]
    cut = len(rows) * 3 // 5
    workbook, text = folder / "residents-east.xlsx", folder / "residents-west.csv"
    bad = _write_workbook(workbook, rows[:cut], numbers)
    bad += _write_text(text, rows[cut:], numbers[cut:])
    expected = folder / "numbers-expected.txt"
    expected.write_text("\n".join(numbers) + "\n", encoding="ascii")
    return Lists(workbook, text, len(rows), bad, expected)


def _numbers(rng: Random, people: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < people:
        found[f"{rng.choice(_SEGMENTS)}{rng.randrange(10**8):08d}"] = None
    return list(found)


def _name(rng: Random) -> str:
    return rng.choice(_SURNAMES) + "".join(rng.sample(_GIVEN, 2))


def _write_workbook(path: Path, rows: list[tuple[str, str, str, str]], numbers: list[str]) -> int:
    from xlsxwriter import Workbook

    broken: list[tuple[str, object, str, str]] = [
        ("重复一", numbers[0], "东沟村", "1组"),
        ("重复二", float(numbers[1]), "东沟村", "1组"),
        ("座机", "0571-88886666", "西坪村", "2组"),
        ("少一位", numbers[2][:-1], "西坪村", "2组"),
        ("无号码", "", "南河村", "3组"),
        ("科学计数", "1.38E+10", "南河村", "3组"),
        ("外国号", "+1 202 555 0147", "北岭村", "4组"),
        ("有字母", "1380O138000", "北岭村", "4组"),
    ]
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with Workbook(str(path), options) as book:
        sheet = book.add_worksheet("名单")
        sheet.merge_range(0, 0, 0, 3, "青山县反诈宣传名单（东片）", book.add_format({"bold": True}))
        sheet.write_row(1, 0, ["姓名", "手机号", "村", "组"])
        for place, row in enumerate(rows):
            # A spreadsheet likes to make numbers of numbers: every tenth comes as one.
            phone: object = float(row[1]) if place % 10 == 0 else row[1]
            sheet.write_row(place + 2, 0, [row[0], phone, row[2], row[3]])
        for place, bad in enumerate(broken):
            sheet.write_row(len(rows) + 2 + place, 0, list(bad))
        sheet.write(len(rows) + 2 + len(broken), 0, "合计")
    return len(broken)


def _write_text(path: Path, rows: list[tuple[str, str, str, str]], numbers: list[str]) -> int:
    broken = [
        f"重复,{numbers[0]},柳树湾村,1组",
        "空行,,石桥村,2组",
        "卫星,17480001234567,石桥村,2组",
        "物联网,14400001111,石桥村,2组",
    ]
    lines = ["姓名,手机号,村组,组"]
    lines += [f"{name},{number},{village},{group}" for name, number, village, group in rows]
    # Column 村组 is read as the group; the village column has another header in this list.
    lines[0] = "姓名,联系电话,村居,小组"
    path.write_bytes(("\r\n".join(lines + broken) + "\r\n").encode("gb18030"))
    return len(broken)
