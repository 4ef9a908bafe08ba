"""What every command shares: exit codes, a user's mistake printed as one or two lines, what must be installed."""

import errno
import inspect
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NoReturn, TypeVar, get_type_hints

import typer

from .errors import UserError
from .installation import install_advice
from .standard_streams import drop_standard_output, make_streams_usable
from .stop_signals import CTRL_C_CODE, StoppedBySignal, signals_raise

_REFUSALS = frozenset(
    [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOSPC, errno.EDQUOT, errno.EIO]
)
"""What the operating system says of names, rights and disks; other errors of its own would be defects of ours."""


def run_command(app: typer.Typer) -> NoReturn:
    """Run a typer application and exit: 0 success, 2 a mistake of the user's, 130 Ctrl-C, 1 a defect of ours.

    What the operating system refuses, such as a name that is too long, is the user's to mend as well. 143 and 129 are
    SIGTERM and SIGHUP, on which nothing half written is left.
    """
    make_streams_usable()
    try:
        with signals_raise():
            app()
            sys.stdout.flush()
    except UserError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        if error.filename is None:
            drop_standard_output()
        _fail(f"{error.filename or 'standard output'}: {error.strerror}")
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(CTRL_C_CODE)
    except SystemExit as end:
        # typer makes this of Ctrl-C, without a word.
        if end.code == CTRL_C_CODE or isinstance(end, StoppedBySignal):
            print("stopped", file=sys.stderr)
        raise
    sys.exit(0)


def _fail(text: str) -> NoReturn:
    print(f"error: {text}", file=sys.stderr)
    sys.exit(2)


_Settings = TypeVar("_Settings")


def command_of(settings: type[_Settings], run: Callable[[_Settings], None]) -> Callable[..., None]:
    """A command for `typer.Typer.command` whose arguments and options are the fields of a dataclass, in order.

    Each field is annotated with its `typer.Argument` or `typer.Option`; the help is `run`'s docstring.
    """

    def command(**values: Any) -> None:
        run(settings(**values))

    command.__name__, command.__doc__ = run.__name__, run.__doc__
    command.__annotations__ = get_type_hints(settings, include_extras=True)
    command.__signature__ = inspect.signature(settings)  # pyright: ignore[reportFunctionMemberAccess]
    return command


def require_libraries(command: str, *names: str, extras: str) -> None:
    """Raise UserError, saying what to install, where a library that `command` needs is missing."""
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise UserError(f"{command} needs {', '.join(missing)}; install: {install_advice(extras)}")


_Name = TypeVar("_Name", bound=str)


def chosen_names(option: str, text: str, allowed: tuple[_Name, ...]) -> tuple[_Name, ...]:
    """Read names separated by commas, each once; UserError for a name that is not allowed."""
    known: dict[str, _Name] = {name: name for name in allowed}
    names = [name.strip() for name in text.split(",")]
    if len(set(names) & set(known)) < len(names):
        raise UserError(f"{option}: got {text!r}, expected one or more of {', '.join(allowed)}, each once")
    return tuple(known[name] for name in names)
