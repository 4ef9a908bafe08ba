"""Let an allocation that the machine has no memory for fail at once, where it would make the system kill or swap."""

from .process_memory import available_bytes, data_bytes


def refuse_more_than_is_free() -> None:
    """Limit this process for good to the memory that is free now, in addition to what it holds; on Linux alone.

    For the commands: a model file of a hundred bytes can ask for a terabyte. A lower limit that is set already stays.
    """
    free, held = available_bytes(), data_bytes()
    if free is None or held is None:
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = min(bound for bound in (held + free, soft, hard) if bound != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
