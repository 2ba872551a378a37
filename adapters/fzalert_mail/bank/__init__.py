"""The channel `bank.mail`: packages to the 24-hour desks of banks, as S/MIME."""

from fzalert_mail.bank.adapter import BankMail
from fzalert_mail.bank.config import BankMailConfig

__all__ = ["BankMail", "BankMailConfig"]
