"""The options of hinas-export, each written once: name, type, default, help and what is allowed. No torch, no onnx."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from ..errors import UserError
from ..runtime.model.manifest import Io, Precision
from ..search.bundled_genotypes import genotype_file, weights_beside
from .foreign.import_options import IMPORT_OPTIONS, ImportOptions
from .graph.variants import (
    PRECISIONS,
    TARGETS,
    FixedShape,
    ModelInterface,
    Target,
    precisions_of,
    require_runnable,
    targets_of,
)

if TYPE_CHECKING:
    from .tensorrt.build_request import BuildRequest

_CONCERNED: Mapping[str, tuple[str, ...]] = {
    "tile": ("engine", "fixed_shape"),
    "batch": ("engine", "fixed_shape", "triton"),
    "optimisation_level": ("engine",),
    "workspace": ("engine",),
    "version_compatible": ("engine",),
    "hardware_compatible": ("engine",),
    "max_drop": ("check",),
    **dict.fromkeys(IMPORT_OPTIONS, ("imported",)),
}
"""Options that do something only beside one of these others."""

_OF_GENOTYPES = ("weights", "random_weights", "measure")
"""Options that mean nothing to an imported network: it has its weights, and its graph is not rewritten."""


@dataclass(frozen=True, kw_only=True)
class ExportSettings(ImportOptions):
    """What a person asks of hinas-export, as given; None or False: not given. UserError for what cannot be meant."""

    genotype: Annotated[
        Path | None,
        Argument(help="The genotype.json of the network, or a bundled name such as color.", show_default=False),
    ] = None
    out: Annotated[
        Path | None,
        Option(
            help="The model file. Default: model.onnx beside the genotype; NAME.onnx in this folder for a bundled one; "
            "NAME.hinas.onnx beside an imported one.",
            show_default=False,
        ),
    ] = None
    weights: Annotated[
        Path | None,
        Option(
            help="Trained weights, or an fp32 model that holds them. Default: NAME.safetensors or weights.safetensors "
            "beside the genotype; a bundled one's model."
        ),
    ] = None
    random_weights: Annotated[
        bool, Option("--random-weights", help="Untrained weights, for timing only; the file says so.")
    ] = False
    target: Annotated[
        str | None,
        Option(
            help=f"What to rewrite the graph for: {', '.join(TARGETS)}, or several with commas between. "
            "Default: ort; tensorrt with --engine."
        ),
    ] = None
    precision: Annotated[
        str, Option(help=f"What to compute in: {', '.join(PRECISIONS)}, or several with commas between.")
    ] = "fp32"
    calibration: Annotated[
        Path | None, Option(help="int8: a folder of clean images its ranges are found on; not those of --check.")
    ] = None
    check: Annotated[
        str | None,
        Option(
            help="Measure on clean images (a folder, file or 'glob') what each precision costs.", show_default=False
        ),
    ] = None
    max_drop: Annotated[
        float | None,
        Option(
            help="--check: dB that a precision may lose against fp32 under any of the task's cases, such as a noise "
            "level, on average. Default: 0.05."
        ),
    ] = None
    measure: Annotated[
        bool, Option("--measure", help="Measure what each rewrite brings on this machine, in fp32; takes minutes.")
    ] = False
    engine: Annotated[
        bool, Option("--engine", help="Also build the TensorRT engine for this machine's GPU, beside the model.")
    ] = False
    io: Annotated[
        Io,
        Option(
            help="float: values 0..1, for hinas-denoise; uint8: pixels (N, H, W, C) in and out, for other programs."
        ),
    ] = "float"
    any_size: Annotated[
        bool,
        Option("--any-size", help="Pad and crop inside the graph, for programs that feed pictures of any size."),
    ] = False
    fixed_shape: Annotated[
        bool, Option("--fixed-shape", help="The model takes windows of --tile WIDTHxHEIGHT, --batch at once, alone.")
    ] = False
    triton: Annotated[
        Path | None,
        Option(
            help="Also add the model, or with --engine the engine, to this Triton Inference Server repository.",
            show_default=False,
        ),
    ] = None
    tile: Annotated[
        str | None,
        Option(
            help="Engine, fixed shape: side of the tiles in pixels, or WIDTHxHEIGHT for windows of one size. "
            "Default: 512."
        ),
    ] = None
    batch: Annotated[
        str | None,
        Option(
            help="Engine, fixed shape, Triton: windows in one run, a number or FEWEST:TYPICAL:MOST such as 1:4:8. "
            "Default: 1."
        ),
    ] = None
    optimisation_level: Annotated[
        int | None, Option(help="Engine: 0 to 5; higher builds longer for a faster engine. Default: 3.")
    ] = None
    workspace: Annotated[
        str | None, Option(help="Engine: most GPU memory for one layer, such as 2GiB. Default: all of it.")
    ] = None
    version_compatible: Annotated[
        bool, Option("--version-compatible", help="Engine: later versions of TensorRT may load it.")
    ] = False
    hardware_compatible: Annotated[
        bool, Option("--hardware-compatible", help="Engine: other GPUs from Ampere on may run it.")
    ] = False
    json: Annotated[bool, Option("--json", help="Print each report as JSON.")] = False
    quiet: Annotated[bool, Option("--quiet", help="Print nothing on success.")] = False

    def __post_init__(self) -> None:
        if (self.genotype is None) == (self.imported is None):
            raise UserError("give a genotype, or --import FILE for a network from elsewhere: one of the two")
        for option in _OF_GENOTYPES:
            if self.imported is not None and self._is_given(option):
                raise UserError(f"{_dashed(option)}: concerns genotypes; an imported network brings its own weights")
        require_runnable(self.targets, self.precisions)
        if self.random_weights and self.weights is not None:
            raise UserError("--weights and --random-weights: give one of the two")
        if self.random_weights and self.check is not None:
            raise UserError("--check: random weights denoise nothing that could get worse; give trained ones")
        if "int8" in self.precisions and self.calibration is None:
            raise UserError("--precision int8: needs real images to find its ranges on; give --calibration IMAGES")
        if self.calibration is not None and "int8" not in self.precisions:
            raise UserError("--calibration: concerns --precision int8 alone; add it, or leave it")
        if self.measure and "fp32" not in self.precisions:
            raise UserError(
                f"--measure: measures rewrites in fp32, got --precision {self.precision}; add fp32, or leave it out"
            )
        if not self.max_drop_db >= 0:
            raise UserError(f"--max-drop: got {self.max_drop_db:g}, expected dB of at least 0")
        if self.engine and "tensorrt" not in self.targets:
            raise UserError(f"--target: got {self.target}, but an engine is built from the model for tensorrt; add it")
        if self.model.suffix != ".onnx":
            raise UserError(f"--out: got {self.model}, expected a file name that ends in .onnx")
        if self.imported is not None and self.model.resolve() == self.imported.resolve():
            raise UserError(f"--out: {self.model} is the network to import; give another name")
        if self.triton is not None and len(self.targets) * len(self.precisions) > 1:
            asked = ", ".join((*self.targets, *self.precisions))
            raise UserError(f"--triton: serves one model; give one target and precision, not {asked}")
        batch = self.build_request.batch
        for option, others in _CONCERNED.items():
            if self._is_given(option) and not any(map(self._is_given, others)):
                raise UserError(
                    f"{_dashed(option)}: concerns {' or '.join(map(_dashed, others))} alone; add one, or leave it"
                )
        if self.any_size and self.fixed_shape:
            raise UserError("--any-size and --fixed-shape: give one of the two")
        if self.any_size and self.engine:
            raise UserError("--any-size: an engine takes tiles, which hinas-denoise pads itself; leave one out")
        if self.fixed_shape and isinstance(self.build_request.tile, int):
            raise UserError("--fixed-shape: needs the width and height of its one window; give --tile WIDTHxHEIGHT")
        if self.fixed_shape and len(set(batch)) > 1:
            raise UserError("--fixed-shape: needs one number of windows; give --batch N")
        if self.triton is not None and not self.engine and len(set(batch)) > 1:
            raise UserError(
                "--batch: FEWEST:TYPICAL:MOST is for --engine; for --triton give the most in one run, a number"
            )

    @property
    def model(self) -> Path:
        """The file of the first target's and precision's model."""
        if self.out is not None:
            return self.out
        if self.imported is not None:
            return self.imported.with_suffix(".hinas.onnx")
        assert self.genotype is not None
        # The package's own folder is no place for results.
        is_bundled = self.genotype_file != self.genotype
        return Path(f"{self.genotype}.onnx") if is_bundled else self.genotype.with_name("model.onnx")

    @property
    def genotype_file(self) -> Path:
        """Where the genotype lies. UserError for a name that is none."""
        assert self.genotype is not None
        return genotype_file(self.genotype)

    @property
    def weights_file(self) -> Path | None:
        """The trained weights; None: random ones. UserError where there are none beside the genotype."""
        if self.random_weights:
            return None
        return found_weights(self.genotype_file) if self.weights is None else self.weights

    @property
    def targets(self) -> tuple[Target, ...]:
        """At least one; the first one's model goes to `model`."""
        return targets_of(self.target or ("tensorrt" if self.engine else "ort"))

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """At least one; the first one of the first target goes to `model`."""
        return precisions_of(self.precision)

    @property
    def max_drop_db(self) -> float:
        """What a precision may lose on the checked images, under each case of the task."""
        return 0.05 if self.max_drop is None else self.max_drop

    @property
    def build_request(self) -> "BuildRequest":
        """The windows that are asked for, and how an engine for them is to be built."""
        from .tensorrt.build_request import request_from_texts

        return request_from_texts(
            tile=self.tile,
            batch=self.batch,
            optimisation_level=self.optimisation_level,
            workspace=self.workspace,
            version_compatible=self.version_compatible,
            hardware_compatible=self.hardware_compatible,
        )

    @property
    def interface(self) -> ModelInterface:
        """What the models take and give."""
        tile, batch = self.build_request.tile, self.build_request.batch
        if not self.fixed_shape or isinstance(tile, int):
            return ModelInterface(io=self.io, sizes="any" if self.any_size else "aligned")
        return ModelInterface(io=self.io, shape=FixedShape(batch=batch[0], height=tile[0], width=tile[1]))

    def _is_given(self, option: str) -> bool:
        return getattr(self, option) not in (None, False)


def found_weights(genotype: Path) -> Path:
    """The weights beside a genotype file; UserError where there are none."""
    found = weights_beside(genotype)
    if found is None:
        raise UserError(
            f"{genotype.with_suffix('.safetensors')}: no such weights file; train with hinas-train, give --weights "
            "FILE, or --random-weights for timing"
        )
    return found


def _dashed(name: str) -> str:
    return "--import" if name == "imported" else "--" + name.replace("_", "-")
