"""Who may act, and the keys: actors, roles, credentials, signing and field encryption."""
