"""The error that stops the start."""


class StartupError(Exception):
    """The process cannot start; the message is one sentence that says what to do."""
