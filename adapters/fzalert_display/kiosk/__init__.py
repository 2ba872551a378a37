"""Browser screens: a page that paints signed warnings and proves that it did.

A screen keeps a state, not a queue. The hub signs the whole desired state of each screen, the
page verifies it by itself, shows the winner, falls back by its own clock, and reports what was
painted and for how long.
"""

from fzalert_display.kiosk.adapter import KioskDisplays
from fzalert_display.kiosk.settings import IdleCard, KioskConfig, ScreenConfig

__all__ = ["IdleCard", "KioskConfig", "KioskDisplays", "ScreenConfig"]
