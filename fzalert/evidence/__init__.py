"""存证: the append-only, hash-chained record of who did what when. Pure: no I/O, no clock, no keys.

`canonical` gives every event one spelling, `chain` links the spellings, `verify` finds the first
row that was changed, left out, put in or moved.
"""

from fzalert.evidence.canonical import Json, canonical, loads, parse
from fzalert.evidence.chain import (
    GENESIS,
    HEAD_DOMAIN,
    START,
    Head,
    Link,
    append,
    encode_line,
    head_document,
    head_of,
    link,
)
from fzalert.evidence.verify import Fault, FaultKind, Verdict, read_lines, verify, verify_lines

__all__ = [
    "GENESIS",
    "HEAD_DOMAIN",
    "START",
    "Fault",
    "FaultKind",
    "Head",
    "Json",
    "Link",
    "Verdict",
    "append",
    "canonical",
    "encode_line",
    "head_document",
    "head_of",
    "link",
    "loads",
    "parse",
    "read_lines",
    "verify",
    "verify_lines",
]
