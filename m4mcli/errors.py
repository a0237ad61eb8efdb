"""The one exception that reaches the user, and the exit statuses."""

DONE = 0
FAILED = 1
USAGE = 2
CHECK_SAID_NO = 3
INTERRUPTED = 130


class M4mError(Exception):
    """A failure told in one line: what, where, and what to do.

    `message` says what went wrong (with the file's name where there is one), `hint` the next step, `status` is the
    exit status: 1 the work failed, 2 usage, 3 a check said no.
    """

    def __init__(self, message: str, hint: str = "", status: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message
