"""The example of a branch and its county: what it prints is what the county's carrier did."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.test_examples.conftest import Branch


async def test_the_branchs_warning_arrives_through_the_county(bare: Branch) -> None:
    ran = await bare.example("relay.py")
    assert ran.code == 0, ran
    assert ran.out == "phone:138****8000 delivered county device\n"
