"""Messages and arrivals that the inbox's tests share."""

from __future__ import annotations

from eilpost.inbox.contract import Arrival, Via


def message(subject: str = "Hello", text: str = "some words", *, sender: str = "Anna Ä <anna@example.test>") -> bytes:
    """A plain message to bob."""
    head = f"From: {sender}\r\nTo: Bob <bob@example.test>\r\nSubject: {subject}\r\nMessage-ID: <1@example.test>\r\n\r\n"
    return (head + text + "\r\n").encode()


def mixed() -> bytes:
    """Text, HTML with a picture, and a file."""
    return (
        b"From: anna@example.test\r\nTo: bob@example.test\r\nSubject: parts\r\n"
        b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="A"\r\n\r\nprologue\r\n'
        b"--A\r\nContent-Type: multipart/alternative; boundary=B\r\n\r\n"
        b"--B\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"Gr=FC=DFe\r\n"
        b"--B\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        b"<p>Gr\xc3\xbc\xc3\x9fe <img src=cid:pic></p>\r\n--B--\r\n"
        b"--A\r\nContent-Type: image/png\r\nContent-ID: <pic>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"iVBORw0KGgo=\r\n"
        b"--A\r\nContent-Type: application/pdf; name*0*=utf-8''%C3%A4%20; name*1=b.pdf\r\n"
        b"Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0x\r\n--A--\r\nepilogue\r\n"
    )


def arrival(
    *recipients: str, sender: str = "anna@example.test", login: str = "", received: float = 1_000.0, **more: object
) -> Arrival:
    """An arrival from anna to bob, or to others."""
    via = Via("127.0.0.1", "client.test", "ESMTP", login)
    return Arrival(sender, recipients or ("bob@example.test",), received, via, **more)  # type: ignore[arg-type]
