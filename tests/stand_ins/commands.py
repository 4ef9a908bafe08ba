"""The five commands' apps by the commands' names, for the fixture `in_process`."""

import typer
from hinas.bench.commands import app as bench_app
from hinas.export.commands import app as export_app
from hinas.runtime.denoise_command import app as denoise_app
from hinas.search.search_command import app as search_app
from hinas.search.train_command import app as train_app

COMMANDS: dict[str, typer.Typer] = {
    "hinas-search": search_app,
    "hinas-train": train_app,
    "hinas-export": export_app,
    "hinas-denoise": denoise_app,
    "hinas-bench": bench_app,
}
