"""For unittest: a mixin that gives each test a running inbox (a deed)."""

from __future__ import annotations

import unittest
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from eilpost.testing.smtp_inbox import SmtpInbox


class SmtpInboxMixin(unittest.TestCase):
    """``self.smtp_inbox`` is a fresh inbox for each test; ``smtp_inbox_options`` are its arguments."""

    smtp_inbox_options: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    smtp_inbox: SmtpInbox

    def setUp(self) -> None:
        """Starts it before what the test itself sets up."""
        self.smtp_inbox = self.enterContext(SmtpInbox(**self.smtp_inbox_options))
        super().setUp()
