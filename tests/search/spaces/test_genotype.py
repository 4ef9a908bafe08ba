"""The genotype file: round trip, identity, and errors that name the JSON path."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hinas.errors import UserError
from hinas.search.genotype import genotype_from_json, read_genotype, write_genotype
from hypothesis import given
from hypothesis import strategies as st


@given(seed=st.integers(0, 10**6))
def test_any_genotype_survives_a_round_trip_with_its_identity(random_document: Any, seed: int) -> None:
    genotype = genotype_from_json(json.dumps(random_document(seed)))
    again = genotype_from_json(genotype.to_json())
    assert again == genotype
    assert again.to_json() == genotype.to_json()
    assert again.identity == genotype.identity


def test_identity_ignores_provenance_and_order_but_not_the_architecture(random_document: Any) -> None:
    document = random_document(1)
    reordered = json.dumps(dict(reversed(document.items())))
    proven = json.dumps({**document, "provenance": {"created": "2026-01-01", "command": "by hand"}})
    wider = json.dumps({**document, "network": {**document["network"], "width": 16}})
    identity = genotype_from_json(json.dumps(document)).identity
    assert genotype_from_json(reordered).identity == identity
    assert genotype_from_json(proven).identity == identity
    assert genotype_from_json(wider).identity != identity


def test_a_choice_that_came_later_leaves_the_identity_of_older_genotypes(random_document: Any) -> None:
    document = random_document(1)
    document["network"].pop("squeeze", None)
    older = genotype_from_json(json.dumps(document))
    document["network"]["squeeze"] = "always"
    assert genotype_from_json(json.dumps(document)).identity == older.identity
    assert "squeeze" not in older.to_json()
    document["network"]["squeeze"] = "where_needed"
    assert genotype_from_json(json.dumps(document)).identity != older.identity


def _with(document: dict[str, Any], path: list[Any], value: Any) -> str:
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(document)


CELL = {"level": 0, "nodes": [[["conv_3x3", 0], ["skip", 1]]]}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["format"], "onnx", r"\$\.format: got 'onnx', expected 'hinas-genotype'"),
        (["version"], 99, r"\$\.version: got 99, this hinas reads up to 1; install a newer hinas"),
        (["version"], 0, r"\$\.version: .*got 0"),
        (["space"], "nosuch", r"\$\.space: got 'nosuch', expected one of clearer, hinas"),
        (["task", "channels"], 2, r"\$\.task\.channels: .*1, 3 or 4.*got 2"),
        (["colour"], "red", r"\$\.colour: Extra inputs are not permitted, got \"red\""),
        (["network", "width"], 0, r"\$\.network\.width: .*greater than or equal to 1, got 0"),
        (["network", "depth"], 3, r"\$\.network\.depth: Extra inputs are not permitted"),
        (["network", "cells"], [], r"\$\.network\.cells: .*at least 1"),
        (
            ["network", "cells"],
            [{"level": 0, "nodes": [[["conv_7x7", 0], ["skip", 1]]]}],
            r"\$\.network\.cells\[0\]\.nodes\[0\]\[0\]\[0\]: .*'conv_3x3'.*got \"conv_7x7\"",
        ),
        (
            ["network", "cells"],
            [CELL, {"level": 0, "nodes": [[["conv_3x3", 0], ["skip", 2]]]}],
            r"\$\.network\.cells\[1\]: .*node 0: skip reads input 2, expected 0 to 1",
        ),
        (
            ["network", "cells"],
            [{"level": 0, "nodes": [[["conv_3x3", 1], ["skip", 1]]]}],
            r"both edges read input 1, expected two different inputs",
        ),
        (["network", "cells"], [{**CELL, "level": 9}], r"cells\[0\]\.level: got 9, expected 0 to"),
        (["network", "conditioning"], {"range": [50, 50]}, r"\$\.network\.conditioning: .*range must ascend"),
        (["network"], None, r"\$\.network: "),
    ],
)
def test_a_mistake_is_named_with_its_path(random_document: Any, path: list[Any], value: Any, expected: str) -> None:
    text = _with(random_document(5), path, value)
    with pytest.raises(UserError, match=rf"^mine\.json: .*{expected}") as caught:
        genotype_from_json(text, source="mine.json")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"format": "hinas-genotype"}'])
def test_text_that_is_no_genotype_is_a_users_error(text: str) -> None:
    with pytest.raises(UserError):
        genotype_from_json(text)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.json: cannot be read"):
        read_genotype(tmp_path / "missing.json")
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"binary\.json: not a text file"):
        read_genotype(binary)


def test_a_written_genotype_reads_back(random_document: Any, tmp_path: Path) -> None:
    genotype = genotype_from_json(json.dumps(random_document(2)))
    write_genotype(genotype, tmp_path / "genotype.json")
    assert read_genotype(tmp_path / "genotype.json") == genotype


def test_reading_a_genotype_does_not_import_torch() -> None:
    program = "import sys; from hinas.search.genotype import read_genotype; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", ["gray", "color"])
def test_the_shipped_genotypes_are_valid(name: str) -> None:
    import hinas.search

    folder = Path(str(hinas.search.__file__)).parent / "genotypes"
    genotype = read_genotype(folder / f"{name}.json")
    assert genotype.task.channels == (1 if name == "gray" else 3)
