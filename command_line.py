"""What every command shares: exit codes, and a user's mistake printed as one or two lines."""

import sys
from typing import NoReturn

import typer

from .errors import UserError


def run_command(app: typer.Typer) -> NoReturn:
    """Run a typer application and exit: 0 success, 2 a mistake of the user's, 130 Ctrl-C, 1 a defect of ours."""
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)
