"""Mail is fetched: POP3 sessions over maildrops (a deed)."""
