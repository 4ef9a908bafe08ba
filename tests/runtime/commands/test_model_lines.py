"""The lines about the bundled models under `hinas-denoise --help`: whole, true, and short enough."""

import onnx
import pytest
from hinas.bench.methods.peak_probes import cost_of_graph
from hinas.runtime.denoise_command import app
from hinas.runtime.model.bundled_models import bundled_names, model_file
from hinas.runtime.model.model_lines import ModelDescription, model_descriptions, model_lines
from typer.testing import CliRunner


def test_every_bundled_model_has_one_line() -> None:
    assert sorted(one.name for one in model_descriptions()) == bundled_names()


@pytest.mark.parametrize("described", model_descriptions(), ids=lambda described: described.name)
def test_the_cost_is_that_of_the_model_file(described: ModelDescription) -> None:
    graph = onnx.load(model_file(described.name))
    assert described.multiply_adds_per_pixel == round(float(cost_of_graph(graph).macs_per_pixel))


def test_the_help_shows_the_lines_as_they_are() -> None:
    help_text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).output
    for line in model_lines():
        assert len(line) <= 76 and f"  {line}\n" in help_text
