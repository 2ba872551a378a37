"""`fzalert freeze officers | duty | complaint | key`: who is behind a case, and who complained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fzalert.cli.freeze.asking import desk, show_case, told_where_refused
from fzalert.cli.freeze.files import read_officers
from fzalert.cli.session import current
from fzalert.service import freeze_models as asks
from fzalert.service.wrong import wrong_call

__all__ = ["complaint", "duty", "key", "officers"]


async def officers(case: str, file: Path, *, token_file: Path | None = None) -> None:
    """Name the two officers of a case, from a file with [[officers]].

    Args:
        case: The case's id.
        file: TOML or JSON with two [[officers]], - for standard input.
        token_file: Who acts: a file with a token.
    """
    async with told_where_refused("officers", token_file):
        named = read_officers(file)
    async with desk(token_file) as at:
        view = await at.change(asks.OfficersAsk(case=case, officers=named))
    show_case(view)


async def duty(
    case: str,
    *,
    unit: str,
    code: str,
    phone: str,
    prefecture: str = "",
    token_file: Path | None = None,
) -> None:
    """Name the unit of a case and the telephone that is answered there day and night.

    Args:
        case: The case's id.
        unit: The unit's name.
        code: Its code of 12 digits.
        phone: The 24-hour telephone.
        prefecture: First four digits of its area, such as 1101.
        token_file: Who acts: a file with a token, - for standard input.
    """
    told = {"unit_name": unit, "unit_code": code, "phone": phone, "prefecture": prefecture}
    async with told_where_refused("duty", token_file):
        ask = _made(asks.DutyAsk, case=case, duty=told)
    async with desk(token_file) as at:
        view = await at.change(ask)
    show_case(view)


async def complaint(
    case: str, measure: str = "", *, number: str, token_file: Path | None = None
) -> None:
    """Record the holder's complaint or appeal (投诉申诉) by its number.

    Where it is right, `irrelevant` starts the three days in which the account is released.

    Args:
        case: The case's id.
        measure: One account of it.
        number: The complaint's number; no names.
        token_file: Who acts: a file with a token, - for standard input.
    """
    async with desk(token_file) as at:
        (one,) = await at.measures(case, measure)
        view = await at.change(_made(asks.ComplaintAsk, case=case, measure=one, number=number))
    show_case(view)


def key() -> None:
    """Show the public key of this unit, made at the first call: a bank's desk takes it.

    It belongs to `bank.https`, evidence heads and bundles. Tell it to the bank by a second way.
    """
    from fzalert.access.keys import FileSigner
    from fzalert.service.building import SIGNING_KEY

    session = current()
    folder = session.settings().data_directory
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    signer = FileSigner.load_or_create(folder / SIGNING_KEY)
    session.output.data({"key_id": signer.key_id, "public_key": signer.public_key.hex()})
    session.output.line(signer.public_key.hex())


def _made(model: Any, **values: object) -> Any:
    from pydantic import ValidationError

    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise wrong_call(error) from None
