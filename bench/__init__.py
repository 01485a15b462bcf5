"""Benchmarks beside the peers: the same load, the same durability, one run, every message counted."""
