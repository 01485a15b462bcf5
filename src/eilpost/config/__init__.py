"""The configuration: its schema (words) and its loading (a deed)."""
