"""Login mechanisms, both sides, without input or output (standard library alone)."""
