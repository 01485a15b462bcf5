"""Real mail systems as peers: each in a directory and on ports of its own, started and stopped by us (deeds)."""
