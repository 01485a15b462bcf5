"""Crash and fault experiments: a ledger of what was acknowledged, evidence of what became of it, invariants."""
