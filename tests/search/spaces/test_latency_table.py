"""Latency tables are read back as they were written, and say what they lack."""

from pathlib import Path

import pytest
from hinas.errors import UserError
from hinas.search.architecture_search.latency_table import LatencyTable, Price, read_latency_table, write_latency_table
from hinas.search.spaces.interface import Block

CONV = Block(name="conv_3x3", in_channels=8, out_channels=8, stride=2)
NODE = Block(name="node", in_channels=8, out_channels=8, stride=2)


def _table() -> LatencyTable:
    price = Price(name="conv_3x3", in_channels=8, out_channels=8, stride=2, ms=1.5)
    return LatencyTable(
        space="hinas", backend="cpu", library="x", machine="y", threads=1, width=481, height=321,
        created="2026-01-01", command="z", prices=(price, price.model_copy(update={"name": "node", "ms": 0.25})),
    )  # fmt: skip


def test_a_table_comes_back_and_prices_a_network(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    write_latency_table(_table(), path)
    table = read_latency_table(path)
    assert table == _table()
    assert table.predicted_ms({CONV: 3, NODE: 2}) == 5.0


def test_a_missing_price_is_named() -> None:
    wide = Block(name="conv_3x3", in_channels=9, out_channels=9, stride=2)
    with pytest.raises(UserError, match="no price for conv_3x3 from 9 to 9 channels at stride 2"):
        _table().predicted_ms({wide: 1})


@pytest.mark.parametrize("text", ["", "[]", '{"format": "hinas-genotype"}', "\ud800".encode("utf-16", "surrogatepass")])
def test_what_is_no_table_is_refused(text: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=r"table\.json"):
        read_latency_table(path)
