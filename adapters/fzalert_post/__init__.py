"""Posts to other programs: webhooks, group chats of work-place apps, and another fzalert."""
