"""Flask: Flask-Mail sends to the inbox."""

from __future__ import annotations

import pytest

flask = pytest.importorskip("flask", reason="Flask is not installed")
flask_mail = pytest.importorskip("flask_mail", reason="Flask-Mail is not installed")

from eilpost.testing.smtp_inbox import SmtpInbox


def test_mail_of_flask_arrives(smtp_inbox: SmtpInbox) -> None:
    """A view sends mail; the inbox has it."""
    app = flask.Flask("shop")
    app.config.update(MAIL_SERVER=smtp_inbox.host, MAIL_PORT=smtp_inbox.port, MAIL_DEFAULT_SENDER="shop@shop.example")
    post = flask_mail.Mail(app)

    def welcome() -> str:
        post.send(flask_mail.Message("Welcome", recipients=["anna@a.example"], body="Hello!"))
        return "sent"

    app.add_url_rule("/welcome", view_func=welcome, methods=["POST"])
    assert app.test_client().post("/welcome").status_code == 200
    smtp_inbox.wait_for(to="anna@a.example", subject="Welcome").assert_text("Hello!")
