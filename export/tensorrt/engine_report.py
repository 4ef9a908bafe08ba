"""What TensorRT made of a model, layer by layer, as a report beside the engine."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ...errors import UserError
from ...runtime.engines.engine_file import Engine


def layer_information(trt: Any, log: Any, plan: bytes) -> str:
    """The engine inspector's JSON text about a plan that was just built on this GPU."""
    runtime = trt.Runtime(log)
    # Version-compatible plans carry code of TensorRT's own; this one was made a moment ago, so it may run.
    runtime.engine_host_code_allowed = True
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise UserError(f"TensorRT does not load what it built: {'; '.join(log.errors) or 'it gives no reason'}")
    return engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)


@dataclass(frozen=True)
class EngineReport:
    """What was built, for what, and its layers as TensorRT tells them."""

    engine: Engine

    def to_json(self) -> str:
        """The report file's text."""
        report = {
            "key": self.engine.key.to_json(),
            "plan_bytes": len(self.engine.plan),
            "layers": _layers(self.engine),
        }
        return json.dumps(report, indent=1) + "\n"

    def to_table(self) -> str:
        """The report as lines for a person."""
        key = self.engine.key
        noisy = key.inputs[0]
        layers = _layers(self.engine)
        kinds = Counter(str(layer.get("LayerType", "?")) for layer in layers if isinstance(layer, dict))
        rows = {
            "engine": f"TensorRT {key.tensorrt_version}, {key.precision}, {key.gpu}",
            "input (N, C, H, W)": " .. ".join(
                "x".join(map(str, shape)) for shape in dict.fromkeys((noisy.smallest, noisy.typical, noisy.largest))
            ),
            "layers": f"{len(layers)} ({', '.join(f'{number} {kind}' for kind, number in kinds.most_common())})",
            "size": f"{len(self.engine.plan):,} bytes",
        }
        wide = max(map(len, rows))
        return "\n".join(f"{name:<{wide}}  {value}" for name, value in rows.items())


def _layers(engine: Engine) -> list[Any]:
    """The inspector's list; empty where its text is no JSON, which some versions give for some names of layers."""
    try:
        return json.loads(engine.layers)["Layers"]
    except (ValueError, KeyError):
        return []
