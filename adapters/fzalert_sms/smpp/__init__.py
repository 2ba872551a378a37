"""SMPP, the protocol of message centres and aggregators everywhere else.

Source: SMPP Protocol Specification v3.4, issue 1.2 (1999-10-12); parts of v5.0.
"""
