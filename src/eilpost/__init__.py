"""Eilpost: mail server, client, developer's inbox and protocol library."""
