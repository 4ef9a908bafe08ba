"""Let an allocation that the machine has no memory for fail at once, where it would make the system kill or swap."""

from contextlib import suppress

from .process_memory import available_bytes, data_bytes


def refuse_more_than_is_free() -> None:
    """Limit this process for good to the memory that is free now, in addition to what it holds; on Linux alone.

    For the commands: a model file of a hundred bytes can ask for a terabyte. What a GPU driver merely reserves does not
    count.
    """
    free, held = available_bytes(), data_bytes()
    if free is None or held is None:
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    # A limit that a person has set lower stays.
    with suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (held + free, hard))
