"""紧急止付 and 冻结: a reported crime, the accounts its money went to, and what the banks do.

The national platform (电信网络新型违法犯罪交易风险事件管理平台) is the legal channel. This room
prepares, checks, tracks and prints; it replaces no platform and makes no lawful order by itself.
"""
