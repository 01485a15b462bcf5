"""Mail comes in: sessions over connections, from the greeting to the spool (a deed)."""
