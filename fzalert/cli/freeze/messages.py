"""`fzalert freeze iso20022`: an instruction as camt.056, and a bank's camt.029 as its receipt."""

from __future__ import annotations

from pathlib import Path

from fzalert.cli.freeze.asking import desk, show_case, write_files
from fzalert.cli.freeze.files import read_text
from fzalert.errors import InputError
from fzalert.service import freeze_models as asks

__all__ = ["iso20022"]


async def iso20022(
    case: str,
    measure: str = "",
    *,
    read: Path | None = None,
    out: Path | None = None,
    token_file: Path | None = None,
) -> None:
    """Write an approved instruction as camt.056.001.08; or read the bank's camt.029.001.09.

    The message carries no signature of ours. Send it over the line that your unit has for it, after
    `send --paper` has put the instruction on record as sent.

    Args:
        case: The case's id.
        measure: One account of it.
        read: The bank's answer, - for standard input; it becomes the receipt, of grade B.
        out: File or folder for the message.
        token_file: Who acts: a file with a token.
    """
    if read is not None and out is not None:
        raise InputError("Either write a message, or read one.", field="read")
    text = None if read is None else read_text(read)
    async with desk(token_file) as at:
        (one,) = await at.measures(case, measure)
        if text is not None:
            show_case(await at.change(asks.Iso20022AnswerAsk(case=case, measure=one, xml=text)))
            return
        answer = await at.ask(asks.Iso20022Ask(case=case, measure=one))
    write_files(answer.files, out)
