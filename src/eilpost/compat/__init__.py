"""Other libraries' interfaces over ours, for programs that move over (deeds)."""
