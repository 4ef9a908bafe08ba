"""Standard output and error that any shell's settings leave usable."""

import io
import os
import sys


def make_streams_usable() -> None:
    """Open the streams that the shell closed (`2>&-`), to nowhere, and let names that an encoding lacks be escaped.

    A closed stream's number would go to the next file that is opened, and messages would end in a picture.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def drop_standard_output() -> None:
    """Send what standard output still holds to nowhere: at the end of the program it would fail once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
