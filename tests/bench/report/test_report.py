"""report.html: whole by itself, deaf to hostile names, and alive in a real browser."""

import base64
import hashlib
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hinas.bench.quality.clean_images import find_images
from hinas.bench.quality.measure_quality import ImageScore, ScoredMethod
from hinas.bench.quality.sample_pictures import (
    LARGEST_HEIGHT,
    LARGEST_WIDTH,
    SamplePicture,
    best_method,
    sample_pictures,
)
from hinas.bench.report.advice import advice_of
from hinas.bench.report.html_page import write_report
from hinas.bench.report.tradeoff import Group, Panel, TradeoffPoint
from hinas.bench.report.tradeoff_pictures import write_pictures
from hinas.bench.results.entries import Entry, Latency, Results
from PIL import Image
from stand_ins.machine import MACHINE as TESTED

HOSTILE = """</script><script>document.title="taken"</script>"'><img src=x onerror='document.title="taken"'>{{ 7*7 }}"""
MACHINE = TESTED.model_copy(update={"cpu": "Testing <1000>", "physical_cores": None, "load_average": 3.0})


def _results(*models: str) -> Results:
    run = {"channels": 1, "device": MACHINE.cpu, "backend": "cpu", "precision": "fp32", "threads": 1, "source": HOSTILE}
    entries: list[Entry] = []
    for index, model in enumerate(models):
        samples = (10.0 * (index + 1),) * 3
        latency = {"size": "48x32", "batch": 1, "latency_ms": Latency(p50=samples[0], runs=3, samples=samples)}
        quality = {"psnr_db": 28.0 + index, "ssim": 0.8, "dataset": HOSTILE, "sigma": 30, "protocol": "standard"}
        for facts in (latency, quality):
            entries.append(Entry.model_validate({"model": model, "origin": "measured"} | run | facts))
    published = run | {"origin": "published", "dataset": "BSD200", "sigma": 50, "protocol": "hinas-patches"}
    entries.append(Entry.model_validate({"model": "paper's", "psnr_db": 26.81, "note": HOSTILE} | published))
    return Results(machine=MACHINE, entries=tuple(entries))


def _samples(count: int) -> list[SamplePicture]:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    return [
        SamplePicture(
            name=HOSTILE + "\udcff",
            model="a",
            sigma=30,
            noisy=pixels,
            denoised=pixels // 2,
            noisy_psnr_db=18.0 + index,
            denoised_psnr_db=28.0,
        )
        for index in range(count)
    ]


class _Tags(HTMLParser):
    """Every tag with its attributes, and every word of the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_else_and_names_stay_text(tmp_path: Path) -> None:
    results = _results("a", HOSTILE)
    charts = write_pictures(results, ["48x32"], tmp_path)
    write_report(results, tmp_path / "report.html", size="48x32", charts=charts, samples=_samples(1))
    page = _Tags((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == 3
    for attributes in pictures:
        assert str(attributes["src"]).startswith("data:image/")
        assert attributes["alt"]
    assert not any(tag == "link" or ("href" in a and not str(a["href"]).startswith("#")) for tag, a in page.tags)
    for words in (HOSTILE, "18.00 dB", "26.81", "hinas-patches", "Testing <1000>", "paper's", "2026-01-02"):
        assert words in page.text


def test_a_page_of_nothing_says_what_to_do(tmp_path: Path) -> None:
    write_report(Results(machine=MACHINE, entries=()), tmp_path / "report.html", size="48x32")
    page = _Tags((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Measure both" in page.text
    assert not any(tag == "img" for tag, _ in page.tags)


_DRIVER = """
addEventListener("load", () => {
  const input = document.querySelector(".compare input");
  input.value = "20";
  input.dispatchEvent(new Event("input"));
  const [before, after] = ["before", "after"].map((name) => document.querySelector("." + name));
  const told = document.documentElement.dataset;
  told.clips = getComputedStyle(before).clipPath + " / " + getComputedStyle(after).clipPath;
  const table = document.querySelector("table.sortable");
  const cells = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent).join("|");
  const button = table.querySelector("th button");
  button.click();
  told.rising = cells();
  button.click();
  told.falling = cells();
  told.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
});
"""


def _dom_in_browser(page: Path, folder: Path) -> tuple[dict[str, str | None], str, str]:
    """Attributes of <html> after the driver has run, the page's title, and what the browser complained about."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((found for name in names if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"the report was not tried in a browser: none of {', '.join(names)} is on the PATH")
    text = page.read_text(encoding="utf-8")
    allowed = base64.b64encode(hashlib.sha256(_DRIVER.encode()).digest()).decode()
    text = text.replace("script-src ", f"script-src 'sha256-{allowed}' ", 1)
    text = text.replace("</body>", f"<script>{_DRIVER}</script></body>")
    driven = page.with_name("driven.html")
    driven.write_text(text, encoding="utf-8")
    # root, as in a container, gets no sandbox; a test needs no updates of the browser either.
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += [f"--user-data-dir={folder}"]
    command += ["--enable-logging=stderr", "--window-size=500,900", "--virtual-time-budget=5000", "--dump-dom"]
    result = subprocess.run([*command, driven.as_uri()], capture_output=True, text=True, timeout=120)
    dom = _Tags(result.stdout)
    complaints = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    attributes = next(attributes for tag, attributes in dom.tags if tag == "html")
    title = result.stdout.partition("<title>")[2].partition("</title>")[0]
    return attributes, title, "\n".join(complaints)


@pytest.mark.slow
def test_a_browser_shows_the_page_without_complaint_and_the_slider_works(tmp_path: Path) -> None:
    results = _results("a", HOSTILE, "c" * 100)
    charts = write_pictures(results, ["48x32"], tmp_path)
    write_report(results, tmp_path / "report.html", size="48x32", charts=charts, samples=_samples(2))
    told, title, complaints = _dom_in_browser(tmp_path / "report.html", tmp_path / "profile")
    assert complaints == ""
    assert told["data-state"] == "ready"
    assert title.startswith("hinas-bench")
    assert told["data-clips"] == "inset(0px 80% 0px 0px) / inset(0px 0px 0px 20%)"
    rising, falling = (str(told[name]).split("|") for name in ("data-rising", "data-falling"))
    assert rising == falling[::-1]
    assert set(rising) == {"a", HOSTILE, "c" * 100}
    assert told["data-wide"] == "0", "the page must not scroll sideways on a phone"


@pytest.mark.slow
def test_the_browser_test_would_notice_a_broken_page(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write_report(_results("a", "b"), page, size="48x32", samples=_samples(1))
    whole = page.read_text(encoding="utf-8")
    page.write_text(whole.replace("data:image/png;base64,", "data:image/png;base64,AAAA", 1), encoding="utf-8")
    assert _dom_in_browser(page, tmp_path / "profile")[0]["data-state"] == "picture missing"
    page.write_text(whole.replace('page.classList.add("js")', 'page.classList.add("js!")'), encoding="utf-8")
    told, _, complaints = _dom_in_browser(page, tmp_path / "profile")
    assert complaints
    assert "data-state" not in told


def _point(model: str, time_ms: float, quality: float, group: Group) -> TradeoffPoint:
    return TradeoffPoint(
        model=model,
        conditions=("cpu", "fp32", "1 thread"),
        time_ms=time_ms,
        time_range_ms=None,
        quality=quality,
        parameters=None,
        group=group,
    )


def test_advice_names_the_models_of_a_front_and_what_each_step_brings() -> None:
    here = Group(origin="measured", device="cpu", protocol="standard", dataset="pictures")
    paper = Group(origin="published", device="gpu", protocol="unknown", dataset="pictures")
    panels = [
        Panel(
            task="denoise",
            channels=1,
            sigma=sigma,
            quality="psnr_db",
            noisy_quality=None,
            points=(
                _point("fast", 10, 26, here),
                _point("slow and bad", 50, 25, here),
                _point("hardly better", 15, 26.001, here),
                _point("good", 20, 27, here),
                _point("good at 70", 30, 26.5 if sigma < 70 else 27.5, here),
                _point("published", 1, 30, paper),
            ),
        )
        for sigma in (30, 50, 70)
    ]
    (advice,) = advice_of(panels)
    assert advice.sigma == 50
    assert [(step.least_time_ms, step.choice.name, step.gain) for step in advice.steps] == [
        (10, "fast", None),
        (20, "good", 1),
    ]
    assert [choice.name for choice in advice.choices] == ["fast", "hardly better", "good", "good at 70"]
    assert advice.choices[-1].is_unbeaten == (False, False, True)


def test_samples_are_the_middle_of_images_with_the_noise_that_is_measured(tmp_path: Path) -> None:
    large = np.random.default_rng(0).integers(0, 256, (LARGEST_HEIGHT + 40, LARGEST_WIDTH + 60, 3), dtype=np.uint8)
    for name, pixels in (("a", large), ("b", large[:50, :40]), ("c", large[:20, :30]), ("d", large[:30, :30])):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    half = ScoredMethod(
        name="half", channels=3, sigma_range=None, denoise=lambda noisy, _: noisy / np.float32(2), facts={}
    )
    samples = sample_pictures(half, find_images(str(tmp_path)), sigma=30, noise="standard", count=3)
    assert [sample.name for sample in samples] == ["a.png", "b.png", "c.png"]
    assert samples[0].noisy.shape == (LARGEST_HEIGHT, LARGEST_WIDTH, 3)
    assert samples[0].noisy_psnr_db == pytest.approx(19.0, abs=1.5)
    clean = large[20:-20, 30:-30]
    assert np.abs(samples[0].noisy.astype(int) - clean).mean() == pytest.approx(20, abs=5)
    assert samples[0].denoised.mean() == pytest.approx(clean.mean() / 2, rel=0.05)
    assert samples[0].denoised_psnr_db < samples[0].noisy_psnr_db


def test_the_method_shown_is_the_best_on_colour_images() -> None:
    def method(name: str, channels: int) -> ScoredMethod:
        return ScoredMethod(name=name, channels=channels, sigma_range=None, denoise=lambda noisy, _: noisy, facts={})

    def score(model: str, channels: int, psnr_db: float, sigma: float = 30) -> ImageScore:
        return ImageScore(
            model=model,
            channels=channels,
            task="denoise",
            protocol="standard",
            image="x",
            width=1,
            height=1,
            sigma=sigma,
            psnr_db=psnr_db,
            ssim=0.5,
            seconds=0.1,
        )

    methods = [method("grey", 1), method("colour", 3), method("better", 3)]
    scores = [score("grey", 1, 40), score("colour", 3, 30), score("better", 3, 31), score("noisy input", 3, 50)]
    found = best_method(methods, scores, 30)
    assert found is not None and found.name == "better"
    assert best_method(methods, scores, 50) is None
