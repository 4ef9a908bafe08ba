"""The genotypes that come with hinas, by name. A name is a file `genotypes/NAME.json` with its weights beside it."""

from pathlib import Path

from ..errors import UserError

GENOTYPES_FOLDER = Path(__file__).parent / "genotypes"


def bundled_genotypes() -> list[str]:
    """The names that `genotype_file` knows, sorted."""
    return sorted(file.stem for file in GENOTYPES_FOLDER.glob("*.json"))


def genotype_file(genotype: Path) -> Path:
    """The file for a bundled name, or the path itself. UserError for a bare name that is neither."""
    name = str(genotype)
    if name in bundled_genotypes():
        return GENOTYPES_FOLDER / f"{name}.json"
    if genotype.name == name and not genotype.suffix and not genotype.exists():
        known = ", ".join(bundled_genotypes())
        raise UserError(f"{name}: no such file, and no bundled genotype of that name; bundled: {known}")
    return genotype


def weights_beside(genotype: Path) -> Path | None:
    """The weights beside a genotype file, `<name>.safetensors` or else `weights.safetensors`; None without any."""
    candidates = (genotype.with_suffix(".safetensors"), genotype.with_name("weights.safetensors"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)
