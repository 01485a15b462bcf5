"""Other people's mail programs send to us, and take mail from us."""
