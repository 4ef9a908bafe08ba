"""A search space with everything that is fixed before a search: what hinas-search prints and hinas-bench prices."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import SerializeAsAny, ValidationError, field_validator

from ...errors import UserError
from ..spaces.interface import Frozen, SpaceSettings
from ..spaces.registry import space_settings

FORMAT = "hinas-space"


class SearchSpace(Frozen):
    """A space by name, the images' channels and the space's own settings."""

    format: Literal["hinas-space"] = FORMAT
    version: Literal[1] = 1
    space: str
    channels: Literal[1, 3]
    settings: SerializeAsAny[SpaceSettings]

    @field_validator("settings", mode="plain")
    @classmethod
    def _settings_are_the_spaces_own(cls, value: Any) -> SpaceSettings:
        if not isinstance(value, SpaceSettings):
            raise ValueError("expected settings made by the search space")
        return value

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(self.model_dump(mode="json"), indent=1) + "\n"


def read_search_space(path: Path) -> SearchSpace:
    """Read a space file; UserError where it is missing or invalid."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); hinas-search --print-space writes one") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}); hinas-search --print-space writes one") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UserError(f"{path}: not a search space; hinas-search --print-space writes one")
    try:
        document["settings"] = space_settings(document.get("space"), document.get("settings"))
        return SearchSpace.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {where}: {first['msg']}, got {first['input']!r}") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
