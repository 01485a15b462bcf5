"""The developer's inbox: keep everything, deliver nothing (words, grammars, decisions, deeds)."""
