"""The chain: its published hashes, and that no change to it goes unseen."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fzalert.access.keys import KeySigner
from fzalert.access.keys import verify as verify_signature
from fzalert.errors import InputError
from fzalert.evidence import (
    GENESIS,
    HEAD_DOMAIN,
    START,
    FaultKind,
    Head,
    Link,
    append,
    encode_line,
    head_document,
    head_of,
    link,
    read_lines,
    verify,
    verify_lines,
)

CASE = json.loads((Path(__file__).parent.parent / "cases/evidence/chain.json").read_text())


def a_chain(length: int = 6) -> list[Link]:
    links: list[Link] = []
    for number in range(length):
        event = {"at": f"2026-11-24T10:00:{number:02}Z", "what": "案件", "who": f"u{number % 2}"}
        links.append(append(links[-1] if links else START, event))
    return links


CHAIN = a_chain()


def test_the_published_chain() -> None:
    last: Head | Link = START
    for event, body, digest in zip(CASE["events"], CASE["bodies"], CASE["hashes"], strict=True):
        last = append(last, event)
        assert last.body.decode() == body
        assert last.hash.hex() == digest
    assert last.seq == 1


def test_the_formula_by_hand() -> None:
    import hashlib

    body = CASE["bodies"][0].encode()
    by_hand = b"\x01" + b"fz-audit-v1" + bytes(32) + len(body).to_bytes(8, "big") + body
    assert link(GENESIS, body) == hashlib.sha256(by_hand).digest()


def test_the_published_signature_of_a_head() -> None:
    case = CASE["head"]
    head = Head(1, bytes.fromhex(CASE["hashes"][1]))
    document = head_document(store=case["store"], head=head, at=case["at"])
    signer = KeySigner.from_seed(bytes.fromhex(case["seed"]))
    assert signer.sign(HEAD_DOMAIN, document).hex() == case["signature"]
    assert verify_signature(
        signer.public_key, HEAD_DOMAIN, document, bytes.fromhex(case["signature"])
    )


def test_an_event_does_not_count_itself() -> None:
    with pytest.raises(InputError, match="the chain counts"):
        append(START, {"seq": 7})


def test_a_whole_chain_is_intact() -> None:
    verdict = verify(CHAIN)
    assert verdict.is_intact
    assert verdict.head == head_of(CHAIN[-1])
    assert verify([]).head == START


def test_a_chain_can_be_checked_in_pieces() -> None:
    first = verify(CHAIN[:3])
    assert verify(CHAIN[3:], start=first.head).is_intact


@given(st.integers(0, 5), st.sampled_from(["body", "hash"]), st.data())
def test_any_changed_byte_is_found_at_its_row(at: int, where: str, data: st.DataObject) -> None:
    row = CHAIN[at]
    old = row.body if where == "body" else row.hash
    index = data.draw(st.integers(0, len(old) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != old[index]))
    new = old[:index] + bytes([byte]) + old[index + 1 :]
    rows = list(CHAIN)
    rows[at] = row._replace(body=new) if where == "body" else row._replace(hash=new)
    verdict = verify(rows)
    assert verdict.fault is not None
    assert (verdict.fault.seq, verdict.fault.kind) == (at, FaultKind.CHANGED)
    assert verdict.head.seq == at - 1


@given(st.integers(0, 4))
def test_a_missing_row_is_named(at: int) -> None:
    fault = verify([row for row in CHAIN if row.seq != at]).fault
    assert fault is not None
    assert (fault.seq, fault.kind) == (at, FaultKind.MISSING)


@given(st.permutations(range(6)).filter(lambda order: list(order) != sorted(order)))
def test_another_order_is_named_at_its_first_row(order: list[int]) -> None:
    fault = verify([CHAIN[at] for at in order]).fault
    assert fault is not None
    first = next(place for place, at in enumerate(order) if place != at)
    assert (fault.seq, fault.kind) == (first, FaultKind.REORDERED)


def test_a_repeated_row_is_named() -> None:
    fault = verify([*CHAIN[:3], CHAIN[2], *CHAIN[3:]]).fault
    assert fault is not None
    assert (fault.seq, fault.kind) == (3, FaultKind.REORDERED)


def test_a_row_put_in_with_numbers_moved_is_found() -> None:
    false = append(CHAIN[1], {"what": "planted"})
    moved = [row._replace(seq=row.seq + 1) for row in CHAIN[2:]]
    fault = verify([*CHAIN[:2], false, *moved]).fault
    assert fault is not None
    assert (fault.seq, fault.kind) == (3, FaultKind.CHANGED)


def test_a_chain_written_anew_breaks_its_anchor() -> None:
    anchor = head_of(CHAIN[3])
    forged = [append(START, {"what": "forged"})]
    while len(forged) < 6:
        forged.append(append(forged[-1], {"what": "forged"}))
    assert verify(forged).is_intact
    fault = verify(forged, anchor=anchor).fault
    assert fault is not None
    assert (fault.seq, fault.kind) == (3, FaultKind.CHANGED)


@pytest.mark.parametrize("kept", range(6))
def test_a_cut_off_tail_breaks_its_anchor(kept: int) -> None:
    assert verify(CHAIN[:kept]).is_intact
    fault = verify(CHAIN[:kept], anchor=head_of(CHAIN[-1])).fault
    assert fault is not None
    assert (fault.seq, fault.kind) == (kept, FaultKind.TRUNCATED)


@pytest.mark.parametrize(
    "body", [b'{"seq":1}', b'{ "seq":0}', b"[]", b"nonsense", b'{"seq":true}', b'{"seq":0.0}']
)
def test_a_body_that_is_no_event_is_named_although_its_hash_fits(body: bytes) -> None:
    fault = verify([Link(0, body, link(GENESIS, body))]).fault
    assert fault is not None
    assert fault.kind is FaultKind.MALFORMED


def test_a_file_of_lines_is_read_back() -> None:
    text = b"".join(encode_line(row) for row in CHAIN)
    assert list(read_lines(text.splitlines(keepends=True))) == CHAIN
    assert verify_lines(text).is_intact


def test_every_single_byte_of_a_file_matters() -> None:
    text = b"".join(encode_line(row) for row in CHAIN[:2])
    anchor = head_of(CHAIN[1])
    unseen = [
        (at, byte)
        for at in range(len(text))
        for byte in {text[at] ^ 1, text[at] ^ 0x20, 0, 9, 10, 13, 0x80} - {text[at]}
        if verify_lines(text[:at] + bytes([byte]) + text[at + 1 :], anchor=anchor).is_intact
    ]
    assert unseen == []


@given(st.binary(max_size=60))
def test_garbage_for_a_file_is_a_verdict(text: bytes) -> None:
    assert verify_lines(text).is_intact == (text == b"")
