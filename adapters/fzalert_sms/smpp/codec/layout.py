"""Commands, statuses and tags of SMPP 3.4, and those of 5.0 that matter here.

All integers are big-endian. Texts end with a zero octet; limits include it.

Source: SMPP v3.4 issue 1.2, 5.1 and 5.3; v5.0 for what its name says.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

BIND_RECEIVER: Final = 0x0000_0001
BIND_TRANSMITTER: Final = 0x0000_0002
QUERY_SM: Final = 0x0000_0003
SUBMIT_SM: Final = 0x0000_0004
DELIVER_SM: Final = 0x0000_0005
UNBIND: Final = 0x0000_0006
BIND_TRANSCEIVER: Final = 0x0000_0009
OUTBIND: Final = 0x0000_000B
ENQUIRE_LINK: Final = 0x0000_0015
DATA_SM: Final = 0x0000_0103
RESPONSE: Final = 0x8000_0000
"""A response carries the command of its request with this bit set."""

GENERIC_NACK: Final = RESPONSE
BIND_RECEIVER_RESP: Final = RESPONSE | BIND_RECEIVER
BIND_TRANSMITTER_RESP: Final = RESPONSE | BIND_TRANSMITTER
QUERY_SM_RESP: Final = RESPONSE | QUERY_SM
SUBMIT_SM_RESP: Final = RESPONSE | SUBMIT_SM
DELIVER_SM_RESP: Final = RESPONSE | DELIVER_SM
UNBIND_RESP: Final = RESPONSE | UNBIND
BIND_TRANSCEIVER_RESP: Final = RESPONSE | BIND_TRANSCEIVER
ENQUIRE_LINK_RESP: Final = RESPONSE | ENQUIRE_LINK
DATA_SM_RESP: Final = RESPONSE | DATA_SM

HEADER: Final = Struct(">4I")
"""command_length (header included), command_id, command_status, sequence_number."""
MAX_FRAME: Final = 70_000
"""Longest frame that is read: a message_payload has up to 65,535 octets (v3.4, 5.3.2.32)."""
MAX_SEQUENCE: Final = 0x7FFF_FFFF

OK: Final = 0x00
INVALID_LENGTH: Final = 0x02
INVALID_COMMAND: Final = 0x03
"""ESME_RINVCMDID."""
THROTTLED: Final = 0x58

RECEIPTED_MESSAGE_ID: Final = 0x001E
SAR_MSG_REF_NUM: Final = 0x020C
SAR_TOTAL_SEGMENTS: Final = 0x020E
SAR_SEGMENT_SEQNUM: Final = 0x020F
USER_MESSAGE_REFERENCE: Final = 0x0204
SC_INTERFACE_VERSION: Final = 0x0210
NETWORK_ERROR_CODE: Final = 0x0423
MESSAGE_PAYLOAD: Final = 0x0424
MESSAGE_STATE: Final = 0x0427
CONGESTION_STATE: Final = 0x0428
"""How full the message centre is, 0 to 100 (v5.0, 4.8.4.18)."""

TLV_NAMES: Final[dict[int, str]] = {
    0x0005: "dest_addr_subunit",
    0x0006: "dest_network_type",
    0x0007: "dest_bearer_type",
    0x0008: "dest_telematics_id",
    0x000D: "source_addr_subunit",
    0x000E: "source_network_type",
    0x000F: "source_bearer_type",
    0x0010: "source_telematics_id",
    0x0017: "qos_time_to_live",
    0x0019: "payload_type",
    0x001D: "additional_status_info_text",
    RECEIPTED_MESSAGE_ID: "receipted_message_id",
    0x0030: "ms_msg_wait_facilities",
    0x0201: "privacy_indicator",
    0x0202: "source_subaddress",
    0x0203: "dest_subaddress",
    USER_MESSAGE_REFERENCE: "user_message_reference",
    0x0205: "user_response_code",
    0x020A: "source_port",
    0x020B: "destination_port",
    SAR_MSG_REF_NUM: "sar_msg_ref_num",
    0x020D: "language_indicator",
    SAR_TOTAL_SEGMENTS: "sar_total_segments",
    SAR_SEGMENT_SEQNUM: "sar_segment_seqnum",
    SC_INTERFACE_VERSION: "sc_interface_version",
    0x0302: "callback_num_pres_ind",
    0x0303: "callback_num_atag",
    0x0304: "number_of_messages",
    0x0381: "callback_num",
    0x0420: "dpf_result",
    0x0421: "set_dpf",
    0x0422: "ms_availability_status",
    NETWORK_ERROR_CODE: "network_error_code",
    MESSAGE_PAYLOAD: "message_payload",
    0x0425: "delivery_failure_reason",
    0x0426: "more_messages_to_send",
    MESSAGE_STATE: "message_state",
    CONGESTION_STATE: "congestion_state",
    0x0501: "ussd_service_op",
    0x060B: "billing_identification",
    0x060D: "source_network_id",
    0x060E: "dest_network_id",
    0x060F: "source_node_id",
    0x0610: "dest_node_id",
    0x0611: "dest_addr_np_resolution",
    0x0612: "dest_addr_np_information",
    0x0613: "dest_addr_np_country",
    0x1201: "display_time",
    0x1203: "sms_signal",
    0x1204: "ms_validity",
    0x130C: "alert_on_message_delivery",
    0x1380: "its_reply_type",
    0x1383: "its_session_info",
}
"""The tags by the names of the protocol text (v3.4, 5.3.2; v5.0, 4.8.4)."""

STATES: Final[dict[int, str]] = {
    0: "SCHEDULED",
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
    9: "SKIPPED",
}
"""message_state in the words of a receipt's text (v3.4, 5.2.28 and Appendix B; v5.0, 4.7.15)."""
