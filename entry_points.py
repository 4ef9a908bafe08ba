"""Where the installed programs begin: Ctrl-C while a command is still being imported is like Ctrl-C at any time."""

import sys
from importlib import import_module

from .stop_signals import CTRL_C_CODE


def search() -> None:
    """hinas-search"""
    _run(".search.search_command")


def train() -> None:
    """hinas-train"""
    _run(".search.train_command")


def export() -> None:
    """hinas-export"""
    _run(".export.commands")


def denoise() -> None:
    """hinas-denoise"""
    _run(".runtime.denoise_command")


def bench() -> None:
    """hinas-bench"""
    _run(".bench.commands")


def _run(module: str) -> None:
    try:
        import_module(module, __package__).main()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(CTRL_C_CODE)
