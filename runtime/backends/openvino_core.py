"""OpenVINO, loaded once for the whole process."""

from functools import cache
from typing import Any

from ...errors import UserError


@cache
def openvino_core() -> Any:
    """One for the whole process, never destroyed.

    A Core sets up the stack of signal handlers and takes it down with itself: where a second one was made meanwhile,
    the next signal, Ctrl-C, finds no stack and the process dies (OpenVINO 2026.4).
    Raises UserError where OpenVINO is not installed.
    """
    return imported_openvino().Core()


def imported_openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise UserError(f"openvino is not installed; install it: pip install openvino ({error})") from error
    return openvino
