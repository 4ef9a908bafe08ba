"""The models that the pictures of a run need, each opened once, when the first picture needs it."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ...errors import UserError
from ..denoise_request import Request
from ..denoiser import Denoiser
from ..model.automatic_model import AUTOMATIC, automatic_model
from ..model.bundled_models import bundled_names
from ..noise.level import NoiseLevel
from ..noise.measured_noise import MeasuredNoise


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenModel:
    """The model for a picture."""

    name: str
    reason: str | None
    """Why it was chosen, in a few words; None: it was asked for."""
    denoiser: Denoiser
    notes: tuple[str, ...]
    """What opening it brought up, for a person; told with the first picture alone."""

    def noise_level(self, estimated: Callable[[], float], request: Request) -> NoiseLevel:
        """The level to denoise at, as `Denoiser.noise_level_from`.

        An error on noise that is too strong for the model says which it is, where a person did not choose it.
        """
        try:
            return self.denoiser.noise_level_from(estimated, request.sigma, factor=request.level_factor)
        except UserError as error:
            levels, sigma = self.denoiser.manifest.sigma_range, request.sigma
            if self.reason is None or levels is None or sigma is None or not levels[1] < sigma < math.inf:
                raise
            taken = f"{self.name} was taken, because {self.reason}; name another with --model"
            raise UserError(f"{error}; {taken}") from error


class OpenedModels:
    """Safe to use from several threads."""

    def __init__(self, request: Request, *, memory_bytes: int | None) -> None:
        """`memory_bytes`: bound for the whole process while a model runs; None: half of what is free."""
        self._request = request
        self._memory_bytes = memory_bytes
        self._denoisers: dict[str, Denoiser] = {}
        self._untold: dict[str, list[str]] = {}
        self._scale: int | None = None
        self._lock = threading.Lock()

    def for_picture(self, *, is_colour: bool, measured: Callable[[], MeasuredNoise]) -> ChosenModel:
        """The model asked for, or the bundled one for such a picture. Raises UserError where it does not open.

        `measured` gives the picture's noise, and is called only where that decides.
        """
        name, reason = self._request.model, None
        if name in AUTOMATIC:
            chosen = automatic_model(name, bundled_names(), is_colour=is_colour, is_white=measured().is_white)
            name, reason = chosen.name, chosen.reason
        with self._lock:
            denoiser = self._opened(name)
            return ChosenModel(name=name, reason=reason, denoiser=denoiser, notes=tuple(self._untold.pop(name, ())))

    @property
    def scale(self) -> int:
        """How many times as high and wide every picture becomes: known before a picture is read.

        1 also where the model does not open: the first picture that needs it says why.
        """
        with self._lock:
            if self._scale is None:
                self._scale = self._asked_scale()
            return self._scale

    def _asked_scale(self) -> int:
        if self._request.model in AUTOMATIC:
            return 1
        try:
            return self._opened(self._request.model).manifest.scale
        except (UserError, MemoryError):
            return 1

    def _opened(self, name: str) -> Denoiser:
        request = self._request
        if name not in self._denoisers:
            notes: list[str] = []
            self._denoisers[name] = Denoiser.load(
                name,
                request.backend,
                threads=request.threads,
                precision=request.precision,
                memory_bytes=self._memory_bytes,
                tile=request.tile,
                ensemble=request.ensemble,
                listener=notes.append,
            )
            self._untold[name] = notes
        return self._denoisers[name]
