"""How the machines say that a rule was broken (words).

``RemoteProtocolError`` is the only exception that input may cause; ``LocalProtocolError`` means
that our own code used a machine wrongly.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """A side of the dialogue broke RFC 1939; never raised itself."""


class LocalProtocolError(ProtocolError):
    """This side asked its machine for something that the phase does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what no rule allows; the connection is of no further use."""
