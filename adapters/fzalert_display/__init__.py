"""Screens in public places: browser kiosks, LED panels, projectors and displays behind a broker.

What they show is chosen from closed lists, so that no personal data can appear on them.
"""
