"""One step of a server mechanism, with the type of its answer (a grammar)."""

from __future__ import annotations

from collections.abc import Generator

from eilpost.sasl.words import (
    Answer,
    Challenge,
    CheckCertificate,
    CheckPassword,
    CheckToken,
    Failure,
    FindScram,
    FindSecret,
    Granted,
    Reason,
    ScramKeys,
    Secret,
    ServerStep,
)

MISANSWERED = Failure(Reason.UNAVAILABLE, "the directory gave an answer of another kind")


def challenge(octets: bytes) -> Generator[ServerStep, Answer, bytes | Failure]:
    """Say this to the client; its response, or why there is none."""
    answer = yield Challenge(octets)
    return answer if isinstance(answer, bytes | Failure) else MISANSWERED


def check(
    ask: CheckPassword | CheckToken | CheckCertificate,
) -> Generator[ServerStep, Answer, Granted | Failure]:
    """Ask who this is."""
    answer = yield ask
    return answer if isinstance(answer, Granted | Failure) else MISANSWERED


def find_scram(ask: FindScram) -> Generator[ServerStep, Answer, ScramKeys | Failure]:
    """Ask for the keys of a user."""
    answer = yield ask
    return answer if isinstance(answer, ScramKeys | Failure) else MISANSWERED


def find_secret(ask: FindSecret) -> Generator[ServerStep, Answer, Secret | Failure]:
    """Ask for the secret of a user."""
    answer = yield ask
    return answer if isinstance(answer, Secret | Failure) else MISANSWERED
