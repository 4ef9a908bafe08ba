"""TensorRT's own messages, kept so that a failure can say what TensorRT said."""

from typing import Any


def message_log(trt: Any) -> Any:
    """A new `ILogger` of this TensorRT whose list `errors` collects what it calls an error."""

    class MessageLog(trt.ILogger):
        def __init__(self) -> None:
            # The bindings ask for exactly this call.
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(msg)

    return MessageLog()
