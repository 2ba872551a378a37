"""`fzalert.toml` as validated, frozen settings, with every fault named by file, line and key."""

from fzalert.config.load import load_settings, parse_settings, read_settings, settings_of
from fzalert.config.settings import (
    AccessSettings,
    BulkCap,
    ChannelSettings,
    DrillSettings,
    EvidenceSettings,
    FreezeSettings,
    IdentitySettings,
    LimitSettings,
    LogSettings,
    NumberCaps,
    OidcSettings,
    QuietHours,
    Settings,
    StoreSettings,
    TelemetrySettings,
    UrgentCaps,
    WebSettings,
)
from fzalert.config.sources import Sources

__all__ = [
    "AccessSettings",
    "BulkCap",
    "ChannelSettings",
    "DrillSettings",
    "EvidenceSettings",
    "FreezeSettings",
    "IdentitySettings",
    "LimitSettings",
    "LogSettings",
    "NumberCaps",
    "OidcSettings",
    "QuietHours",
    "Settings",
    "Sources",
    "StoreSettings",
    "TelemetrySettings",
    "UrgentCaps",
    "WebSettings",
    "load_settings",
    "parse_settings",
    "read_settings",
    "settings_of",
]
