"""The errors that a user is meant to read."""


class KerasbookError(Exception):
    """A fault of the input or of the machine, told in one message.

    The message names the file or key, what was found, what was expected and
    what to do. Anything else that is raised is a fault of the program: the
    user sees its type and the log that holds the traceback.
    """
