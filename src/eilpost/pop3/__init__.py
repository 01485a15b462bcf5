"""POP3 machines without input or output (standard library alone)."""
