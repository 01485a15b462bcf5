"""Journal events as lines of a log: what they look like, and the thread that writes them."""
