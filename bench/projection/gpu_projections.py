"""What `hinas-bench --gpu` adds: latencies on GPUs that are not here, as entries of the results and as pictures."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import onnx

from ...errors import UserError
from ...runtime.model.manifest import Precision
from ..devices.profile import DeviceProfile
from ..latency.timed_method import Size
from ..methods.open_networks import OpenNetwork
from ..results.entries import Entry, Latency
from .roofline import Projection, project_latency
from .static_graph import NoProjectionError


@dataclass(frozen=True, kw_only=True)
class ProjectedNetwork:
    """One model on one GPU in one precision at one size."""

    network: OpenNetwork
    profile: DeviceProfile
    projection: Projection


def project_networks(
    networks: Sequence[OpenNetwork],
    sizes: Sequence[Size],
    gpus: Sequence[DeviceProfile],
    *,
    note: Callable[[str], None] = lambda _: None,
) -> list[ProjectedNetwork]:
    """Project every model on every GPU at every size, in every precision that applies.

    A model file in fp32 stands for all precisions its GPU has, any other file for its own. `note` gets a line for each
    model whose graph cannot be projected: what is measured must not end with that. Raises UserError for a file in a
    precision the GPU lacks, and for a size that its memory cannot hold.
    """
    found: list[ProjectedNetwork] = []
    for network in networks if gpus else ():
        try:
            found += list(_projections(network, sizes, gpus))
        except NoProjectionError as error:
            note(f"note: {network.model} is not projected: {error}")
    return found


def _projections(
    network: OpenNetwork, sizes: Sequence[Size], gpus: Sequence[DeviceProfile]
) -> Iterator[ProjectedNetwork]:
    model = onnx.load(network.file)
    for profile, size in product(gpus, sizes):
        for precision in _precisions(network, profile):
            try:
                projection = project_latency(model, size, profile, precision)
            except NoProjectionError:
                raise
            except UserError as error:
                raise UserError(f"{network.model} on {profile.name}: {error}") from error
            yield ProjectedNetwork(network=network, profile=profile, projection=projection)


def _precisions(network: OpenNetwork, profile: DeviceProfile) -> tuple[Precision, ...]:
    precision = network.manifest.precision
    return profile.precisions if precision == "fp32" else (precision,)


_FACTS = ("model", "task", "channels", "weights", "parameters", "macs_per_pixel")
"""Of a network, whatever its file was opened on here."""


def projected_entry(item: ProjectedNetwork) -> Entry:
    """A projection as a line of the results."""
    network, projection = item.network, item.projection
    pixels = projection.size.width * projection.size.height
    return Entry(
        **{name: network.facts[name] for name in _FACTS},
        precision=projection.roof.precision,
        device=projection.roof.device,
        size=str(projection.size),
        batch=1,
        origin="projected",
        latency_ms=Latency(p50=projection.latency_ms),
        latency_range_ms=projection.range_ms,
        throughput_mpix_s=pixels / 1000 / projection.latency_ms,
        source=f"{network.source}; roofline model, shares {projection.calibration.source}",
    )


def write_rooflines(items: Sequence[ProjectedNetwork], out: Path) -> list[Path]:
    """A picture of every model at the first size in the first precision, `roofline-MODEL.png` for the first GPU and
    `roofline-MODEL-GPU.png` for others."""
    from ...figures import write_figure
    from .roofline_plot import roofline_figure

    chosen: dict[tuple[str, str], ProjectedNetwork] = {}
    for item in items:
        chosen.setdefault((item.network.model, item.profile.name), item)
    files: list[Path] = []
    for item in chosen.values():
        gpu = "" if item.profile == items[0].profile else f"-{item.profile.aliases[0]}"
        path = _unused(f"roofline-{_file_name(item.network.model)}{gpu}", out, files)
        roof = item.projection.roof
        title = f"{item.network.model} on {roof.device}, {roof.precision}, {item.projection.size} pixels, batch 1"
        write_figure(roofline_figure(item.projection, title=title), path)
        files.append(path)
    return files


def _file_name(model: str) -> str:
    """A model's name may be the path it was given by, where several files are called alike."""
    return re.sub(r"[/\\:]+", "-", model.removesuffix(".onnx")).strip("-.")


def _unused(stem: str, out: Path, taken: Sequence[Path]) -> Path:
    """`a/b.onnx` and `a-b.onnx` would write the same file."""
    names = (stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 2)))
    return next(path for name in names if (path := out / f"{name}.png") not in taken)
