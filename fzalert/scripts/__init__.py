"""Scripts: what is said. The library, its approval, its lint, and rendering for each channel.

Everything here is pure: texts and values in, texts out. Packaged files are the only thing read.
"""

from fzalert.scripts.approval import (
    VALID_FOR,
    Approval,
    ApprovalEvent,
    ApprovalState,
    ApprovalStatus,
    Withdrawal,
    approve,
    decode_event,
    encode_event,
    may_send,
)
from fzalert.scripts.bindings import (
    VENDORS,
    Placeholders,
    Vendor,
    VendorTable,
    VendorTemplate,
    bind,
    to_vendor,
)
from fzalert.scripts.fraud_types import FraudType
from fzalert.scripts.library import Library
from fzalert.scripts.lint import Finding, Level, lint, vendor_profiles
from fzalert.scripts.model import (
    AUDIENCES,
    ActionClass,
    Script,
    ScriptKind,
    Texts,
    Title,
    canonical,
)
from fzalert.scripts.parts import LIMITS, Cut, Limits, PartCount, count, cut, units
from fzalert.scripts.render import SmsProfile, render
from fzalert.scripts.rules import personal_data
from fzalert.scripts.variables import (
    VARIABLES,
    Place,
    ScriptSettings,
    Values,
    Variable,
    VariableType,
    check_values,
    place_of,
    placeholders,
)

__all__ = [
    "AUDIENCES",
    "LIMITS",
    "VALID_FOR",
    "VARIABLES",
    "VENDORS",
    "ActionClass",
    "Approval",
    "ApprovalEvent",
    "ApprovalState",
    "ApprovalStatus",
    "Cut",
    "Finding",
    "FraudType",
    "Level",
    "Library",
    "Limits",
    "PartCount",
    "Place",
    "Placeholders",
    "Script",
    "ScriptKind",
    "ScriptSettings",
    "SmsProfile",
    "Texts",
    "Title",
    "Values",
    "Variable",
    "VariableType",
    "Vendor",
    "VendorTable",
    "VendorTemplate",
    "Withdrawal",
    "approve",
    "bind",
    "canonical",
    "check_values",
    "count",
    "cut",
    "decode_event",
    "encode_event",
    "lint",
    "may_send",
    "personal_data",
    "place_of",
    "placeholders",
    "render",
    "to_vendor",
    "units",
    "vendor_profiles",
]
