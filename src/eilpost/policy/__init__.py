"""May this pass? Facts go in, the reply to the peer comes out (decisions)."""
