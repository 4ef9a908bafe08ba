"""Base classes of stand-ins that write down every name used of them, and how it was called.

`tests/export/tensorrt/test_tensorrt_bindings.py` holds the records to the real bindings.
"""

from functools import wraps
from typing import Any

_MADE_BY_HINAS = ("Builder", "OnnxParser", "Runtime")


class RecordedType(type):
    """Records what is used of a class: making one, and its constants."""

    uses: list[dict[str, Any]]

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        made = super().__call__(*arguments, **keywords)
        if cls.__name__ in _MADE_BY_HINAS:
            cls.uses.append({"path": f"{cls.__name__}.__init__", "call": [len(arguments), sorted(keywords)]})
        return made

    def __getattribute__(cls, name: str) -> Any:
        value = super().__getattribute__(name)
        if name.isupper():
            owner = next(base for base in cls.__mro__ if name in vars(base))
            cls.uses.append({"path": f"{owner.__name__}.{name}"})
        return value


def _named_as_in_tensorrt(kind: type, name: str) -> str | None:
    """`Class.name` where the stand-in itself, and not our subclass of it, defines the name."""
    owner = next((base for base in kind.__mro__ if name in vars(base)), None)
    if name.startswith("_") or owner is None or owner.__module__.startswith("hinas."):
        return None
    return f"{owner.__name__}.{name}"


class Recorded:
    """Records what is used of an object: methods with the shape of their calls, properties read and set."""

    uses: list[dict[str, Any]]

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        path = None if name == "uses" else _named_as_in_tensorrt(type(self), name)
        if path is None:
            return value
        if not callable(value):
            self.uses.append({"path": path})
            return value

        @wraps(value)
        def recording(*arguments: Any, **keywords: Any) -> Any:
            result = value(*arguments, **keywords)
            returned = type(result).__name__ if isinstance(result, Recorded) else None
            shape = [len(arguments), sorted(keywords)]
            self.uses.append({"path": path, "call": shape, "returns": returned})
            return result

        return recording

    def __setattr__(self, name: str, value: Any) -> None:
        if path := _named_as_in_tensorrt(type(self), name):
            self.uses.append({"path": path, "set": True})
        elif not name.startswith("_") and not type(self).__module__.startswith("hinas."):
            raise AttributeError(f"{type(self).__name__} has no property {name}")
        super().__setattr__(name, value)
