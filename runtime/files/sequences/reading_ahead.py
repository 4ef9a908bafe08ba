"""Go through an iterable in a thread of its own, so that what comes next is made while the caller works."""

import queue
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")
_PATIENCE_SECONDS = 0.1
"""How often a thread that nobody takes items from looks whether it should end."""


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


def read_ahead(items: Iterable[Item], most: int) -> Generator[Item, None, None]:
    """The `items`, of which up to `most` are made before they are asked for.

    An error of `items` is raised here, in its place. Closing the generator ends the thread.
    """
    made: queue.Queue[Item | _End] = queue.Queue(most)
    is_over = threading.Event()

    def put(item: "Item | _End") -> bool:
        while not is_over.is_set():
            try:
                made.put(item, timeout=_PATIENCE_SECONDS)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as caught:
            error = caught
        put(_End(error))

    thread = threading.Thread(target=make, name="read ahead")
    thread.start()
    try:
        while True:
            item = made.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
            # Not held while the next one is waited for.
            del item
    finally:
        is_over.set()
        thread.join()
