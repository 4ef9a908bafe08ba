"""A machine that measured, for results that nobody measured."""

from datetime import UTC, datetime

from hinas.bench.devices.environment import Machine

MACHINE = Machine(
    cpu="Testing 1000",
    physical_cores=2,
    logical_cores=2,
    memory_bytes=2**34,
    load_average=0.0,
    system="Linux",
    python="3.11",
    numpy="2",
    onnxruntime="1",
    hinas="0",
    date_utc=datetime(2026, 1, 2, tzinfo=UTC),
)
