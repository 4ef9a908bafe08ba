"""What a search judges its networks by: their scores on the split V, and their latency (HiNAS v2, section 4.1)."""

import torch
from torch import Tensor

from ..learning.device import autocast
from ..learning.losses import ssim
from ..learning.metrics import psnr_db
from ..spaces.interface import SpaceDescription
from ..tasks.interface import Pairs
from .latency_penalty import latency_penalty, predicted_ms
from .search_state import Found, LatencyGoal, Searched, SearchState


def restored(state: SearchState, pairs: Pairs, single: SpaceDescription | None) -> Tensor:
    """The network's output, of all candidates mixed or of a single network."""
    level = pairs.level_B if state.searcher.conditioned else None
    with autocast(pairs.degraded_BCHW.device, state.arithmetic):
        if single is None:
            return state.relaxed(pairs.degraded_BCHW, level)
        return state.searcher.forward_single(pairs.degraded_BCHW, level, single)


def judged(state: SearchState, searched: Searched) -> Found:
    """What the architecture stands for now, with the score on V that the searcher wants it judged by."""
    score = validation_score(state, searched, state.searcher.judged())
    return _found(state, searched, state.searcher.description(), score)


def best_of_samples(state: SearchState, searched: Searched) -> Found:
    """RSWS: the best of `samples` random networks, each with the shared kernels."""
    candidates: list[Found] = []
    for _ in range(searched.schedule.samples):
        description = state.searcher.random_description(state.draw)
        candidates.append(_found(state, searched, description, validation_score(state, searched, description)))
    return max(candidates, key=lambda found: merit(found, searched.latency))


def merit(found: Found, latency: LatencyGoal | None) -> float:
    """What the best is chosen by: the score, less the penalty of the predicted latency."""
    if latency is None or found.latency_ms is None:
        return found.score
    return found.score - latency_penalty(torch.tensor(found.latency_ms), latency).item()


def _found(state: SearchState, searched: Searched, description: SpaceDescription, score: tuple[float, float]) -> Found:
    psnr, similarity = score
    predicted = predicted_ms(state.searcher, description, searched.latency)
    return Found(description=description, epoch=state.epoch, psnr_db=psnr, ssim=similarity, latency_ms=predicted)


@torch.no_grad()
def validation_score(state: SearchState, searched: Searched, single: SpaceDescription | None) -> tuple[float, float]:
    """Mean PSNR in dB and SSIM over fixed patches of V under every case, of the supernet or of one of its networks.

    Patches, and batches in which the cases mix, as in training: the supernet's norms use each batch's own statistics,
    which whole images or one level alone would shift. Nothing is drawn: no path, and no skip is left out.
    """
    is_learning = state.searcher.training
    state.searcher.eval()
    schedule, task = searched.schedule, searched.task
    generator = torch.Generator(device=searched.validation.pixels.device).manual_seed(0)
    cases = task.cases
    psnr: list[float] = []
    similarity: list[float] = []
    for turn in range(len(cases)):
        clean = searched.validation.draw(4 * schedule.batch, schedule.crop, generator)
        pairs = task.of_cases(clean, [cases[(index + turn) % len(cases)] for index in range(len(clean))], generator)
        output = restored(state, pairs, single).float().clamp(0, 1)
        output, reference = task.compared(output, pairs.clean_BCHW)
        psnr += [psnr_db(one, other) for one, other in zip(output, reference, strict=True)]
        similarity.append(ssim(output, reference).item())
    state.searcher.train(is_learning)
    return sum(psnr) / len(psnr), sum(similarity) / len(similarity)
