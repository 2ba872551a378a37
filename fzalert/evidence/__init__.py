"""存证: the append-only, hash-chained record of who did what when. Pure: no I/O, no clock, no keys.

`canonical` gives every event one spelling, `chain` links the spellings, `verify` finds the first
row that was changed, left out, put in or moved; `heads` says each day where every chain ended.
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
from fzalert.evidence.heads import HEADS, DayHead, Ends, day_head, facts_of, known_ends, read_head
from fzalert.evidence.verify import Fault, FaultKind, Verdict, read_lines, verify, verify_lines

__all__ = [
    "GENESIS",
    "HEADS",
    "HEAD_DOMAIN",
    "START",
    "DayHead",
    "Ends",
    "Fault",
    "FaultKind",
    "Head",
    "Json",
    "Link",
    "Verdict",
    "append",
    "canonical",
    "day_head",
    "encode_line",
    "facts_of",
    "head_document",
    "head_of",
    "known_ends",
    "link",
    "loads",
    "parse",
    "read_head",
    "read_lines",
    "verify",
    "verify_lines",
]
