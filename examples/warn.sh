# What would go out, to whom, in which words; nothing is sent.
fzalert warn impersonating-police phone:13800138000 display:lobby --audience elderly --dry-run

# Send it. The same key again is the same warning, never a second one.
fzalert warn impersonating-police phone:13800138000 display:lobby --audience elderly \
    --key branch-7-20261124-0008 --yes --wait 5s

# Channels, queues, counters.
fzalert status
