"""Measure what each rewrite brings: those a target has, one after the other, and each it goes without on top of them.

Run, on an idle machine: python tools/measure_rewrites.py GENOTYPE... [--sessions N]
Weights beside a genotype are used, else random ones; OpenVINO must be installed (pip install openvino).
"""

import argparse
from dataclasses import replace
from pathlib import Path

import onnx
from hinas.errors import UserError
from hinas.export.export_settings import found_weights
from hinas.export.freeze import plain_export
from hinas.export.graph.variants import Target
from hinas.export.rewrites.measure_rewrites import ENGINES, PLAIN, Effort, engines_of, measured_models
from hinas.export.rewrites.optimise import RULES, Stage, rules_for, stages
from hinas.search.genotype import read_genotype


def main() -> None:
    """Print a table, one line for each genotype, engine and rewrite."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("genotypes", type=Path, nargs="+", metavar="GENOTYPE")
    parser.add_argument("--sessions", type=int, default=5)
    given = parser.parse_args()
    effort = replace(Effort(), sessions=given.sessions)
    print(f"{'genotype':<10} {'engine':<17} {'rewrite':<24} {'places':>6}")
    for path in given.genotypes:
        plain = plain_export(read_genotype(path), weights_or_none(path))
        for target in ENGINES:
            for chain in chains(plain.model, target):
                models = {PLAIN: plain.model} | {name: stage.model for name, stage in chain.items()}
                contents = {name: model.SerializeToString() for name, model in models.items()}
                for engine in engines_of(target):
                    for timing in measured_models(contents, engine, plain.geometry.alignment, effort):
                        places = chain[timing.stage].places if timing.stage in chain else ""
                        print(f"{path.stem:<10} {engine:<17} {timing.stage:<24} {places:>6}  {timing}", flush=True)


def weights_or_none(genotype: Path) -> Path | None:
    """The weights beside a genotype, if there are any."""
    try:
        return found_weights(genotype)
    except UserError:
        return None


def chains(plain: onnx.ModelProto, target: Target) -> list[dict[str, Stage]]:
    """The stages of a target by name, and for each rewrite it goes without the last of them and that rewrite."""
    own = list(stages(plain, rules_for(target)))
    left_out = tuple(rule for rule in RULES if target not in rule.targets)
    more = [stage for rule in left_out for stage in stages(own[-1].model, (rule,)) if stage.places]
    return [
        {stage.rewrite: stage for stage in own if stage.places},
        *({"as exported": own[-1], f"+ {stage.rewrite}": stage} for stage in more),
    ]


if __name__ == "__main__":
    main()
