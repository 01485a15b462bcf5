"""The protocol library: SMTP and LMTP machines without input or output (standard library alone)."""
