"""Results of checks of the database."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from connect_hub.settings import StartupError

State = Literal["ok", "warning", "FAILED"]


class Finding(NamedTuple):
    """The result of one check, and its reason."""

    check: str
    state: State
    details: str


def require(findings: Iterable[Finding]) -> None:
    """Raise an error for the first check that failed.

    Raises:
        StartupError: what was found, and what to do.
    """
    for finding in findings:
        if finding.state == "FAILED":
            raise StartupError(f"The database cannot be used: {finding.details}.")
