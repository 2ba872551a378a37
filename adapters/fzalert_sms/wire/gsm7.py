"""The default alphabet of handsets: characters to septets and back.

On the wire of SMPP a septet mostly takes one octet; some centres want them packed.

Source: 3GPP TS 23.038, 6.1.2.1.1 (packing), 6.2.1 (alphabet and its extension).
"""

from __future__ import annotations

from typing import Final

_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPE: Final = 0x1B
_EXTENDED: Final = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
_SEPTETS: Final = {
    **{character: bytes((at,)) for at, character in enumerate(_BASIC) if at != _ESCAPE},
    **{character: bytes((_ESCAPE, at)) for at, character in _EXTENDED.items()},
}


def to_septets(text: str) -> bytes:
    """Write a text, a septet an octet.

    Raises:
        ValueError: A character is not in the alphabet.
    """
    try:
        return b"".join(_SEPTETS[character] for character in text)
    except KeyError as error:
        raise ValueError(f"U+{ord(error.args[0]):04X} is not in the default alphabet") from None


def from_septets(septets: bytes) -> str:
    """Read a text; what is no character is shown as U+FFFD.

    An escape before a character without a second meaning is a blank (6.2.1.1, note 1).
    """
    found: list[str] = []
    is_escaped = False
    for septet in septets:
        if is_escaped:
            is_escaped = False
            plain = _BASIC[septet] if septet < 128 else "\ufffd"
            found.append(_EXTENDED.get(septet, " " if septet == _ESCAPE else plain))
        elif septet == _ESCAPE:
            is_escaped = True
        else:
            found.append(_BASIC[septet] if septet < 128 else "\ufffd")
    return "".join(found)


def pack(septets: bytes, fill: int = 0) -> bytes:
    """Pack septets into octets, the lowest bits first.

    Args:
        septets: One an octet.
        fill: Zero bits in front, 0 to 6, so that the text begins at a septet after its header.
    """
    bits = fill
    whole = 0
    for septet in septets:
        whole |= (septet & 0x7F) << bits
        bits += 7
    return whole.to_bytes((bits + 7) // 8, "little")


def unpack(octets: bytes, count: int, fill: int = 0) -> bytes:
    """Read so many septets out of packed octets; missing ones are left out."""
    whole = int.from_bytes(octets, "little") >> fill
    there = max(0, (8 * len(octets) - fill) // 7)
    return bytes(whole >> 7 * at & 0x7F for at in range(min(count, there)))
