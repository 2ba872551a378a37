"""Freeze requests to the desks of banks: signed both ways, over mutual TLS."""

from fzalert_bank.adapter import BankDesks
from fzalert_bank.config import BankConfig, Desk

__all__ = ["BankConfig", "BankDesks", "Desk"]
