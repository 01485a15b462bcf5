"""The client: drives the machine over a network, for programs and for the agents (deeds)."""
