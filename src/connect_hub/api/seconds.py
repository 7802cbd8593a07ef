"""Durations as whole seconds, so that clients need no clock of their own and act in time."""

from datetime import timedelta
from math import ceil


def seconds_up(duration: timedelta) -> int:
    """Round a wait up: who waits that long is never too early."""
    return max(0, ceil(duration.total_seconds()))


def seconds_down(duration: timedelta) -> int:
    """Round a life down: what is used within it is never too late."""
    return max(0, int(duration.total_seconds()))
