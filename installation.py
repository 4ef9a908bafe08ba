"""How to install what is missing: hinas is on no index, so the advice names the folder of its source."""

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit


def install_advice(extras: str) -> str:
    """The command that installs hinas with these extras, from where its source lies if that is known."""
    source = _source_folder(Path(__file__).parent)
    if source is None:
        return f"""pip install ".[{extras}]" in the folder of hinas's source"""
    return f"""pip install "{source}[{extras}]\""""


def _source_folder(package: Path) -> Path | None:
    """The checkout that the package is in, or that it was installed from; None where there is none on this machine."""
    for folder in (package, _installed_from()):
        if folder is not None and (folder / "pyproject.toml").is_file():
            return folder
    return None


def _installed_from() -> Path | None:
    """What pip wrote down of a folder it installed hinas from."""
    try:
        written = distribution("hinas").read_text("direct_url.json")
        url = urlsplit(json.loads(written or "{}").get("url", ""))
    except (PackageNotFoundError, ValueError, OSError):
        return None
    return Path(unquote(url.path)) if url.scheme == "file" else None
