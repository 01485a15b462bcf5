"""The face of the inbox: its API and its pages (deeds; grammars)."""
