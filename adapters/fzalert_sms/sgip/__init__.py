"""SGIP, China Unicom's protocol for text messages.

Source: SGIP V1.2 (2001-10).
"""
