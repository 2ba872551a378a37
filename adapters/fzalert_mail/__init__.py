"""Mail: warnings to mailboxes by SMTP, and signed mail to bank desks."""
