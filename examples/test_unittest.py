"""unittest: a mixin gives each test an inbox. ``python -m unittest test_unittest.py``."""

from __future__ import annotations

import smtplib

from eilpost.testing.unittests import SmtpInboxMixin


class Newsletter(SmtpInboxMixin):
    """Each test finds a fresh ``self.smtp_inbox``."""

    def test_it_goes_to_all(self) -> None:
        """One message, two recipients."""
        with smtplib.SMTP(self.smtp_inbox.host, self.smtp_inbox.port) as client:
            client.sendmail(
                "news@shop.example", ["a@a.example", "b@b.example"], "Subject: News\r\n\r\nNothing new.\r\n"
            )
        message = self.smtp_inbox.wait_for(subject="News")
        message.assert_envelope(recipients=["a@a.example", "b@b.example"])
