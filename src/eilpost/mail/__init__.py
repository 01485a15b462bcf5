"""The nouns of mail: frozen values that every room shares (words)."""
