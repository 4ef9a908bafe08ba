"""What a file holds behind its picture: decoders stop there, so another picture or a video would vanish unsaid."""

from ..errors import UserError


def notes_on_rest(rest: bytes, signature: bytes) -> tuple[str, ...]:
    """What to tell a person of the bytes behind a picture; nothing of padding.

    `signature`: the first bytes of a file of the same format. Raises UserError where another picture begins.
    """
    if rest.lstrip(b"\0").startswith(signature):
        raise UserError("holds another picture behind the first; hinas writes one picture per file, split it first")
    if not rest.strip(b"\0"):
        return ()
    return (f"{len(rest)} bytes behind the picture (such as the video of a motion photo) were left out",)
