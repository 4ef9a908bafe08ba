"""The one kind of error every room raises for a mistake that a person can mend."""


class UserError(ValueError):
    """A mistake of the user's: the message says what was wrong, where, and what to do.

    Commands print the message alone, without a traceback, and exit with code 2.
    """
