"""Registered signatures of a channel: what settings refuse, and which sender goes with which."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from fzalert.messages import Coding
from fzalert_sms.carrier.config import CarrierConfig
from fzalert_sms.cmpp.codec import V30
from fzalert_sms.cmpp.config import CmppConfig
from fzalert_sms.cmpp.texts import template_maker as cmpp
from fzalert_sms.sgip.codec import Sequence
from fzalert_sms.sgip.config import SgipConfig
from fzalert_sms.sgip.texts import template_maker as sgip
from fzalert_sms.smgp.config import SmgpConfig
from fzalert_sms.smgp.texts import template_maker as smgp
from fzalert_sms.smpp.config import SmppConfig
from fzalert_sms.smpp.texts import template_maker as smpp

OWN, FILED = "1069800011", "106980001177"
SCHOOL = {"signature": "青山反诈", "signatures": ["青山反诈", "青山小学"]}
COMMON = {"name": "line", "host": "gateway.example", "secret": SecretStr("shared")}


def _cmpp(**more: Any) -> CmppConfig:
    own = {"account": "901234", "service_id": "FZALERT", "src_id": OWN}
    return CmppConfig.model_validate({**COMMON, **own, **more})


def _sgip(**more: Any) -> SgipConfig:
    own = {"account": "fzalert", "node_id": 3053100123, "corp_id": "00123", "sp_number": OWN}
    listener = {"host": "127.0.0.1", "port": 0, "account": "gw", "secret": SecretStr("shared")}
    own |= {"service_type": "FZALERT", "listener": listener}
    return SgipConfig.model_validate({**COMMON, "port": 8801, **own, **more})


def _smgp(**more: Any) -> SmgpConfig:
    own = {"account": "35100001", "service_id": "FZALERT", "src_term_id": OWN}
    return SmgpConfig.model_validate({**COMMON, **own, **more})


def _smpp(**more: Any) -> SmppConfig:
    return SmppConfig.model_validate({**COMMON, "account": "fz", "source_addr": OWN, **more})


PROTOCOLS = [_cmpp, _sgip, _smgp, _smpp]


def frame_of(config: CarrierConfig, *parts: str) -> bytes:
    """The frame of the last part."""
    match config:
        case CmppConfig():
            return cmpp(config)(V30, parts, Coding.UCS2, "")[-1].frame(1, b"13800138000")
        case SgipConfig():
            sequence = Sequence(3053100123, 1, 1)
            return sgip(config)(parts, Coding.UCS2, "")[-1].frame(sequence, b"8613800138000")
        case SmgpConfig():
            return smgp(config)(parts, Coding.UCS2, "")[-1].frame(1, b"13800138000")
        case SmppConfig():
            return smpp(config)(parts, Coding.UCS2, "")[-1].frame(1, b"8613800138000")
    raise AssertionError(config)


@pytest.mark.parametrize("make", PROTOCOLS)
def test_a_signature_goes_out_under_the_sender_that_was_filed_for_it(make: Any) -> None:
    config = make(**SCHOOL, sender_ids={"青山小学": FILED})
    for parts in (("【青山小学】家长您好。",), ("【青山小学】" + "好" * 61, "请勿转账。")):
        assert FILED.encode() in frame_of(config, *parts)
    for text in ("【青山反诈】请勿转账。", "请勿转账，青山小学。", "【青山小学请勿转账。"):
        frame = frame_of(config, text)
        assert OWN.encode() + b"\0" in frame
        assert FILED.encode() not in frame


@pytest.mark.parametrize("make", PROTOCOLS)
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"signature": "青山公安", "signatures": ["青山反诈"]}, "not among the registered"),
        ({"signature": "山"}, "signature"),
        ({"signatures": ["【青山反诈】"]}, "signatures"),
        ({"signatures": ["青山 反诈"]}, "signatures"),
        ({"signatures": ["山" * 19]}, "signatures"),
        ({"sender_ids": {"青山小学": FILED}}, "no registered signature"),
        ({"signature": "青山小学", "sender_ids": {"青山小学": "1" * 22}}, "sender_ids"),
        ({"signature": "青山小学", "sender_ids": {"青山小学": "QINGSHAN-XIAO"}}, "none of this"),
    ],
)
def test_what_is_not_registered_is_refused_with_the_settings(
    make: Any, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        make(**wrong)


@pytest.mark.parametrize("make", PROTOCOLS)
def test_one_signature_needs_no_list(make: Any) -> None:
    config = make(signature="青山反诈", sender_ids={"青山反诈": FILED})
    assert FILED.encode() in frame_of(config, "【青山反诈】请勿转账。")
    assert OWN.encode() + b"\0" in frame_of(make(), "请勿转账。")


def test_a_name_is_a_sender_over_smpp_alone() -> None:
    config = _smpp(**SCHOOL, sender_ids={"青山小学": "QINGSHAN"})
    frame = frame_of(config, "【青山小学】家长您好。")
    assert b"\x05\x00QINGSHAN\0" in frame, "type 5, alphanumeric"
