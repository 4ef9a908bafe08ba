"""The genotypes that come with hinas, by name. A name is a file `genotypes/NAME.json`.

Its weights are in the model of that name, which the runtime runs: the package holds them once.
"""

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
    """The weights beside a genotype file, `<name>.safetensors` or else `weights.safetensors`, or a bundled one's model.

    None without any. A source tree's genotypes have their models there.
    """
    candidates = [genotype.with_suffix(".safetensors"), genotype.with_name("weights.safetensors")]
    folder = genotype.resolve().parent
    if (folder.parent.name, folder.name) == ("search", "genotypes"):
        candidates.append(folder.parent.parent / "runtime" / "models" / f"{genotype.stem}.onnx")
    return next((candidate for candidate in candidates if candidate.is_file()), None)
