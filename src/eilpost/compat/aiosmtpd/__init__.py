"""The interface of aiosmtpd 1.4 over Eilpost's server (deeds).

A program moves over by changing its imports: ``aiosmtpd.controller`` becomes
``eilpost.compat.aiosmtpd.controller``, and so do ``smtp``, ``handlers`` and ``lmtp``. What differs
is told in docs/howto/migrate-from-aiosmtpd.md.
"""
