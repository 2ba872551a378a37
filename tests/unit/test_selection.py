"""Groups of a list: which there are, who is chosen by them, and what a slip of the pen says."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from fzalert.campaigns import AudienceSummary, Recipient, summarise
from fzalert.campaigns.ages import age_of, band_of
from fzalert.campaigns.selection import Selection
from fzalert.errors import InputError

TODAY = date(2026, 11, 24)
VILLAGES = """乡镇,村,村民小组,姓名,手机号,年龄,标签
城关镇,东沟村,1组,甲,13800138001,72,商户、低保
,,2组,乙,13800138002,35,商户
,西坪村,1组,丙,13800138003,60,低保/独居
,北岭村,1组,丁,13800138004,,
"""
SCHOOLS = """学校,班级,学生姓名,年龄,家长电话
青山小学,一班,甲,9,13800138001
青山小学,二班,乙,9,13800138002
城关中学,一班,丙,13,13800138003
城关中学,一班,甲的弟弟,13,13800138001
"""


def chosen(
    folder: Path, text: str, only: Sequence[str] = (), excluded: Sequence[str] = ()
) -> tuple[list[Recipient], AudienceSummary]:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    return summarise(path, Selection(only, excluded), TODAY)


def last(found: Sequence[Recipient]) -> str:
    return "".join(one.target.address[-1] for one in found)


@pytest.mark.parametrize(
    ("only", "excluded", "people"),
    [
        ([], [], "1234"),
        (["village=东沟村"], [], "12"),
        (["village=东沟村", "village=西坪村"], [], "123"),
        (["village=东沟村", "group=1组"], [], "1"),
        (["tag=商户"], [], "12"),
        (["tag=低保"], ["village=东沟村"], "3"),
        (["elderly=yes"], [], "13"),
        (["age=60-74"], [], "13"),
        ([], ["elderly=yes"], "24"),
        ([], ["tag=商户", "tag=独居"], "4"),
        (["town=城关镇"], ["group=2组"], "134"),
    ],
)
def test_who_is_chosen(tmp_path: Path, only: list[str], excluded: list[str], people: str) -> None:
    found, summary = chosen(tmp_path, VILLAGES, only, excluded)
    assert last(found) == people
    assert (summary.recipients, summary.left_out) == (len(people), 4 - len(people))


def test_every_group_is_counted(tmp_path: Path) -> None:
    _, summary = chosen(tmp_path, VILLAGES)
    assert summary.groups.document() == {
        "town": {"城关镇": 4},
        "village": {"东沟村": 2, "西坪村": 1, "北岭村": 1},
        "group": {"1组": 3, "2组": 1},
        "elderly": {"yes": 2},
        "age": {"60-74": 2, "18-40": 1},
        "tag": {"商户": 2, "低保": 2, "独居": 1},
    }


def test_parents_are_found_by_class_and_a_class_is_named_with_its_school(tmp_path: Path) -> None:
    found, summary = chosen(tmp_path, SCHOOLS)
    assert last(found) == "123", "the age is the pupil's, and the number a parent's"
    assert summary.groups.document()["class"] == {
        "青山小学 一班": 1,
        "青山小学 二班": 1,
        "城关中学 一班": 1,
    }
    assert last(chosen(tmp_path, SCHOOLS, ["class=一班"])[0]) == "13"
    assert last(chosen(tmp_path, SCHOOLS, ["class=青山小学 一班"])[0]) == "1"
    # The parent of two is found by the class of the second child too.
    assert last(chosen(tmp_path, SCHOOLS, ["school=城关中学"])[0]) == "31"


def test_a_child_s_own_number_is_refused_and_a_parent_s_is_not(tmp_path: Path) -> None:
    text = "手机号,家长电话,年龄\n13800138001,,12\n13800138002,13800138003,13\n13800138004,,14\n"
    found, summary = chosen(tmp_path, text)
    assert last(found) == "34"
    assert [(one.row, one.column, str(one.code)) for one in summary.refusals] == [
        (2, "手机号", "E05"),
        (3, "手机号", "E05"),
    ]


def test_birthdays_and_identity_numbers_leave_a_band_and_nothing_else(tmp_path: Path) -> None:
    text = "手机号,身份证号,出生日期\n13800138001,110101195111230029,\n13800138002,,1990-01-01\n"
    found, _ = chosen(tmp_path, text)
    assert [dict(one.tags) for one in found] == [
        {"age": "75+", "elderly": "yes"},
        {"age": "18-40"},
    ]


@pytest.mark.parametrize(
    ("column", "text", "age"),
    [
        ("age", "72", 72),
        ("age", "72岁", 72),
        ("age", "七十", None),
        ("age", "720", None),
        ("birth", "1966-11-24", 60),
        ("birth", "1966-11-25", 59),
        ("birth", "1966年11月24日", 60),
        ("birth", "1966.3", 60),
        ("birth", "19661124", 60),
        ("birth", "1966-11-24 00:00:00", 60),
        ("birth", "1966-13-01", None),
        ("birth", "2027-01-01", None),
        ("id_number", "110101196611240029", 60),
        ("id_number", "11010119661125002X", 59),
        ("id_number", "110101661124002", 60),
        ("id_number", "1101016611240", None),
    ],
)
def test_ages(column: str, text: str, age: int | None) -> None:
    assert age_of(column, text, TODAY) == age


def test_bands_have_no_gap() -> None:
    bands = [band_of(age) for age in range(131)]
    assert bands[13:19] == ["0-13", "14-17", "14-17", "14-17", "14-17", "18-40"]
    assert (bands[40], bands[41], bands[59], bands[60], bands[74], bands[75]) == (
        *("18-40", "41-59", "41-59", "60-74", "60-74", "75+"),
    )


def test_a_slip_of_the_pen_is_named_with_what_the_list_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="village=东沟 stands in no row") as refused:
        chosen(tmp_path, VILLAGES, ["village=东沟", "village=西坪村"])
    assert refused.value.field == "only"
    assert "东沟村" in refused.value.hint
    with pytest.raises(InputError, match="tag=商铺 stands in no row") as refused:
        chosen(tmp_path, VILLAGES, [], ["tag=商铺"])
    assert refused.value.field == "excluded"
    with pytest.raises(InputError, match="class=一班 stands in no row") as refused:
        chosen(tmp_path, VILLAGES, ["class=一班"])
    assert "no column for class" in refused.value.hint


@pytest.mark.parametrize("choice", ["东沟村", "name=甲", "village=", "=x"])
def test_what_names_no_group_is_refused_at_once(choice: str) -> None:
    with pytest.raises(InputError, match="names no group") as refused:
        Selection([choice])
    assert "village=东沟村" in refused.value.hint


def test_english_headers_and_flags_are_known(tmp_path: Path) -> None:
    text = (
        "Name,Mobile Number,Village,Elderly,Tags,School,Class\n"
        "A,13800138001,East,Yes,shop; alone,,\n"
        "B,13800138002,West,no,,Hill School,3a\n"
    )
    found, _ = chosen(tmp_path, text)
    assert [dict(one.tags) for one in found] == [
        {"village": "East", "elderly": "yes", "tags": "shop、alone"},
        {"village": "West", "school": "Hill School", "class": "3a"},
    ]
