"""Durations in whole seconds, for clients whose clocks may be wrong."""

from datetime import timedelta
from math import ceil


def seconds_up(duration: timedelta) -> int:
    """Round a wait up, so that a client which waits that long is never too early."""
    return max(0, ceil(duration.total_seconds()))


def seconds_down(duration: timedelta) -> int:
    """Round a lifetime down, so that a client which keeps to it is never too late."""
    return max(0, int(duration.total_seconds()))
