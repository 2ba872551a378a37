"""SMGP, China Telecom's protocol for text messages.

Source: SMGP V3.0.3.
"""
