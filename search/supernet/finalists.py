"""The best networks of an evolution over the shared kernels, with the kernels they go on from."""

import csv
from collections.abc import Sequence
from pathlib import Path
from random import Random

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...atomic_files import written_whole
from ...errors import UserError
from ...figures import COLOURS, STYLE, new_figure, write_both
from ...stop_signals import STOPS
from ..architecture_search.search_request import SearchRequest
from ..genotype import Genotype
from ..halving.candidate_files import CandidateFiles
from ..halving.candidate_training import Trainer
from ..halving.candidates import Candidate, LatencyBand, latency_band
from ..learning.distributed import Ranks
from ..learning.metrics import validate
from ..learning.weights import save_weights
from ..runs.progress import Progress
from ..spaces.interface import SpaceDescription
from ..spaces.single_path import SinglePathSupernet
from .evolution import Breeding, Scored, evolved
from .kept_scores import keep_scores, kept_scores


def chosen_finalists(
    request: SearchRequest, supernet: SinglePathSupernet, trainer: Trainer, files: CandidateFiles, ranks: Ranks
) -> Sequence[Candidate]:
    """Evolve networks of the band by their scores with the shared kernels; write supernet.csv and its picture.

    The finalists' parts of the kernels are written beside them. Every score is kept: an evolution that is gone on with
    takes the same way. UserError where the band is empty.
    """
    schedule, band = request.space.supernet, latency_band(request)
    total = schedule.population + schedule.generations * (schedule.population - schedule.parents)
    everyone: Sequence[Scored[Genotype]] = ()
    kept = ranks.agreed(kept_scores(files.scores_of_evolution) if request.resume else {})
    with Progress(unit="network", total=total, is_quiet=request.quiet) as progress:

        def score(genotype: Genotype) -> float:
            if genotype.identity in kept:
                progress.skip(1)
                return kept[genotype.identity]
            found = shared_score(supernet, genotype, trainer, num_images=schedule.validation_images)
            kept[genotype.identity] = found
            if ranks.is_first:
                keep_scores(kept, files.scores_of_evolution)
            progress.step()
            return found

        try:
            for everyone in evolved(
                _breeding(request, supernet, band),
                score,
                population=schedule.population,
                generations=schedule.generations,
                parents=schedule.parents,
                draw=Random(request.seed),
            ):
                if everyone:
                    newest = max(one.generation for one in everyone)
                    progress.note(f"generation {newest}: best {everyone[0].score:.2f} dB{progress.left_text}")
        except STOPS:
            progress.note(f"{request.out}: the scores of {len(kept)} networks are kept; go on with --resume")
            raise
    if not everyone:
        raise UserError(f"--latency-band: no network {band} was found; widen the band or the space")
    finalists = [
        Candidate(
            number=number,
            genotype=scored.member,
            predicted_ms=None if band is None else band.predicted_ms(scored.member),
            inherited=files.inherited(number),
        )
        for number, scored in enumerate(everyone[: schedule.finalists], 1)
    ]
    if ranks.is_first:
        _write_scores(everyone, band, request.out / "supernet.csv")
        write_both(evolution_figure(everyone), request.out / "supernet")
        files.make_folder()
        for finalist in finalists:
            network = supernet.inherited_network(finalist.genotype.network)
            record = {"shared_kernels": schedule.model_dump(mode="json"), "seed": request.seed}
            identity = finalist.genotype.identity
            save_weights(network, files.inherited(finalist.number), identity=identity, training=record)
    return finalists


def shared_score(supernet: SinglePathSupernet, genotype: Genotype, trainer: Trainer, *, num_images: int) -> float:
    """Mean PSNR in dB of a network with its part of the shared kernels, on evenly chosen images of V."""
    images = trainer.validation_images
    count = min(num_images, len(images))
    return validate(
        supernet.inherited_network(genotype.network).to(trainer.device),
        [images[index * len(images) // count] for index in range(count)],
        task=trainer.task,
        network_input=genotype.network_input,
        device=trainer.device,
    ).psnr_db


def _breeding(request: SearchRequest, supernet: SinglePathSupernet, band: LatencyBand | None) -> Breeding[Genotype]:
    space = request.space

    def admitted(description: SpaceDescription) -> Genotype | None:
        genotype = Genotype(space=space.space, task=space.task, network=description)
        return genotype if band is None or band.holds(band.predicted_ms(genotype)) else None

    def crossed(one: Genotype, other: Genotype, draw: Random) -> Genotype | None:
        return admitted(supernet.crossed(one.network, other.network, draw, share=0.5))

    def mutated(one: Genotype, draw: Random) -> Genotype | None:
        anew = supernet.random_description(draw)
        return admitted(supernet.crossed(one.network, anew, draw, share=space.supernet.mutated_share))

    return Breeding(
        key=lambda genotype: genotype.identity,
        random=lambda draw: admitted(supernet.random_description(draw)),
        crossed=crossed,
        mutated=mutated,
    )


def _write_scores(everyone: Sequence[Scored[Genotype]], band: LatencyBand | None, path: Path) -> None:
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["identity", "generation", "shared_psnr_db", "predicted_ms"])
        for one in everyone:
            predicted = None if band is None else band.predicted_ms(one.member)
            writer.writerow([one.member.identity, one.generation, one.score, predicted])


def evolution_figure(everyone: Sequence[Scored[Genotype]]) -> Figure:
    """Every network's score with shared kernels over the generation it came with, and the best so far."""
    with matplotlib.rc_context(STYLE):
        figure = new_figure(4.0, 3.0)
        axes = figure.add_subplot(1, 1, 1)
        axes.plot([one.generation for one in everyone], [one.score for one in everyone], ".", color=COLOURS[0])
        last = max(one.generation for one in everyone)
        best = [max(one.score for one in everyone if one.generation <= number) for number in range(last + 1)]
        axes.plot(range(last + 1), best, color=COLOURS[1], label="best so far")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("generation")
        axes.set_ylabel("PSNR on V (dB), shared kernels")
        axes.legend(fontsize=8, frameon=False, loc="lower right")
        return figure
