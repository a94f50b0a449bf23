"""The one error of this package; floor 0 imports nothing of ours, so it repeats the error tree's shape."""


class ModelError(Exception):
    """A model could not be obtained, loaded or run, or was asked for more than it can do.

    Args:
        message: What was got and what was expected, one sentence.
        remedy: How the reader mends it, one sentence; empty where nothing can be done.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
