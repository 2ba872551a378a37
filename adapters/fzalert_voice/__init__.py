"""Spoken warnings: reading a script aloud, bringing it to one loudness, and playing it.

Speakers are local or on the network; one warning plays at a time on each of them.
"""
