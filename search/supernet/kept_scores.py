"""The scores of an evolution as a file, so that networks scored before a stop are not scored again. No torch."""

import json
from collections.abc import Mapping
from pathlib import Path

from ...atomic_files import written_whole
from ...errors import UserError


def keep_scores(scores: Mapping[str, float], path: Path) -> None:
    """Write the scores, by the networks' identities, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")


def kept_scores(path: Path) -> dict[str, float]:
    """What `keep_scores` has written, exactly; none where there is no file."""
    if not path.exists():
        return {}
    try:
        return {str(identity): float(score) for identity, score in json.loads(path.read_text("utf-8")).items()}
    except (OSError, UnicodeDecodeError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete it, and its networks are scored again") from error
