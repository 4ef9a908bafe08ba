"""Print the GPU, its driver, and the libraries that the GPU's hour needs; exit 2 where there is no GPU.

Run: python tools/on_gpu/describe_machine.py
"""

import subprocess
import sys

from hinas.bench.devices.environment import installed_version

LIBRARIES = {
    "TensorRT": ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
    "pycuda": ("pycuda",),
    "onnxruntime-gpu": ("onnxruntime-gpu",),
    "torch": ("torch",),
    "NumPy": ("numpy",),
    "hinas": ("hinas",),
}
GPU_FIELDS = ("name", "driver_version", "memory.total", "power.limit", "clocks.max.sm", "clocks.max.memory")


def gpu_fields() -> dict[str, str] | None:
    """What the driver says of the first GPU; None: there is no driver, or no GPU."""
    command = ["nvidia-smi", f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    lines = found.splitlines()
    return dict(zip(GPU_FIELDS, (cell.strip() for cell in lines[0].split(",")), strict=True)) if lines else None


def main() -> None:
    """Print a table."""
    gpu = gpu_fields()
    print("| what | is |")
    print("|---|---|")
    for name, value in (gpu or {}).items():
        print(f"| {name} | {value} |")
    for name, packages in LIBRARIES.items():
        print(f"| {name} | {installed_version(*packages) or 'not installed'} |")
    if gpu is None:
        print("error: nvidia-smi finds no GPU here; the steps that need one will say so", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
