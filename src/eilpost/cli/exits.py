"""What our exit codes mean: sysexits.h (a table; words)."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The codes that scripts and mail programs know."""

    OK = 0
    USAGE = 64  # the command line is wrong
    DATAERR = 65  # the input is wrong
    NOINPUT = 66  # an input file is missing
    NOUSER = 67  # the address has no account here
    NOHOST = 68  # the host or domain is not known here
    UNAVAILABLE = 69  # a service does not answer
    SOFTWARE = 70  # a bug
    OSERR = 71  # the system cannot do it
    OSFILE = 72  # a system file is wrong
    CANTCREAT = 73  # the output cannot be made
    IOERR = 74  # reading or writing failed
    TEMPFAIL = 75  # try again later
    PROTOCOL = 76  # a peer broke the protocol
    NOPERM = 77  # not permitted
    CONFIG = 78  # the configuration is wrong
    INTERRUPTED = 130  # 128 + SIGINT, as shells say it
    BROKEN_PIPE = 141  # 128 + SIGPIPE
