"""A stand-in for `onnxruntime` as the package onnxruntime-gpu brings it: the real one, whose processor plays the GPU.

Every name that it does not define itself is looked up in the real module, so a name that is not there is an error.
"""

import types
from importlib.machinery import ModuleSpec
from typing import Any

import onnxruntime as real

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def make_onnxruntime(
    *, starts: bool = True, left_on_the_processor: tuple[str, ...] = (), most_pixels: int = 2**30
) -> Any:
    """`starts`: whether the provider does; `left_on_the_processor`: operations it does not take; `most_pixels`: of a
    window before memory runs out. `events`: what was allocated, bound, run and given back, in order."""
    events: list[tuple[Any, ...]] = []

    class Binding:
        def __init__(self, binding: Any) -> None:
            self.inner, self.outputs = binding, {}

        def bind_ortvalue_input(self, name: str, ortvalue: Any) -> None:
            self.inner.bind_ortvalue_input(name, ortvalue.inner)

        def bind_ortvalue_output(self, name: str, ortvalue: Any) -> None:
            self.outputs[name] = ortvalue
            self.inner.bind_ortvalue_output(name, ortvalue.inner)

    class InferenceSession:
        def __init__(self, content: bytes, options: Any, *, providers: list[Any], enable_fallback: int) -> None:
            [(name, settings)] = providers
            assert all(isinstance(key, str) for key in settings)
            self.inner = real.InferenceSession(content, options, providers=[CPU], enable_fallback=enable_fallback)
            self.providers = [CUDA, CPU] if name == CUDA and starts else [CPU]
            self.may_fall_back = True

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def get_providers(self) -> list[str]:
            return self.providers

        def disable_fallback(self) -> None:
            self.may_fall_back = False
            self.inner.disable_fallback()

        def get_provider_graph_assignment_info(self) -> list[Any]:
            def moved(part: Any) -> Any:
                [node] = part.get_nodes()
                provider = CPU if node.op_type in ("Shape", *left_on_the_processor) else CUDA
                return types.SimpleNamespace(ep_name=provider, get_nodes=part.get_nodes)

            return [moved(part) for part in self.inner.get_provider_graph_assignment_info()]

        def io_binding(self) -> Binding:
            return Binding(self.inner.io_binding())

        def run(self, names: list[str], feeds: dict[str, Any], options: Any = None) -> Any:
            entry = "memory.enable_memory_arena_shrinkage"
            shrinks = options is not None and options.get_run_config_entry(entry) == "gpu:0"
            events.append(("gives back",) if shrinks else ("run",))
            # There is no "gpu:0" here.
            return self.inner.run(names, feeds)

        def run_with_iobinding(self, binding: Binding) -> None:
            assert not self.may_fall_back
            shape = tuple(binding.outputs["denoised"].inner.shape())
            events.append(("run", shape))
            if shape[0] * shape[2] * shape[3] > most_pixels:
                raise RuntimeError("BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer")
            self.inner.run_with_iobinding(binding.inner)

    class OrtValue:
        def __init__(self, inner: Any) -> None:
            self.inner = inner
            self.update_inplace = inner.update_inplace

        def numpy(self) -> Any:
            # From a GPU it is copied; the processor's own memory would be shown as it is.
            return self.inner.numpy().copy()

        @staticmethod
        def ortvalue_from_shape_and_type(shape: tuple[int, ...], kind: Any, device: str, device_id: int) -> Any:
            assert (device, device_id) == ("cuda", 0)
            events.append(("allocate", tuple(shape)))
            return OrtValue(real.OrtValue.ortvalue_from_shape_and_type(shape, kind, "cpu", device_id))

    module: Any = types.ModuleType("onnxruntime")
    module.__spec__, module.__file__ = ModuleSpec("onnxruntime", None), real.__file__
    module.__getattr__ = lambda name: getattr(real, name)
    module.get_available_providers = lambda: [CUDA, CPU]
    module.InferenceSession, module.OrtValue, module.events = InferenceSession, OrtValue, events
    return module
