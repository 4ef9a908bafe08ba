"""The peers' graphs: what their papers print, and the same values as the papers' own formulas in torch."""

from collections.abc import Callable
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from hinas.bench.methods.lower_precision import manifest_of
from hinas.bench.methods.peer_methods import peer_files, peer_names, scored_classical, weights_by_peer
from hinas.bench.peers.classical import CLASSICAL
from hinas.bench.peers.peer_registry import PEERS, Peer, peer_model, peer_shapes
from hinas.bench.peers.peer_weights import RANDOM, read_weights
from hinas.errors import UserError
from safetensors.numpy import save_file
from torch.nn import functional as F

Tensors = dict[str, torch.Tensor]

PUBLISHED_PARAMETERS = {
    # In thousands. DnCNN: without the normalisations, which are folded; MemNet's 677 are its kernels alone.
    "dncnn": 555, "dncnn-color": 668, "ffdnet": 485, "ffdnet-color": 852, "red30": 4135, "memnet": 677,
    "drunet": 32639, "drunet-color": 32641, "imdn-x2": 694, "imdn-x3": 703, "imdn-x4": 715,
    # FSRCNN's 12,464 are its kernels alone, as MemNet's.
    **{f"fsrcnn-x{scale}": 12 for scale in (2, 3, 4)},
}  # fmt: skip
KERNELS_ALONE = ("memnet", "fsrcnn-x2", "fsrcnn-x3", "fsrcnn-x4")


def _conv(value: torch.Tensor, tensors: Tensors, name: str) -> torch.Tensor:
    kernel = tensors[f"{name}.weight"]
    return F.conv2d(value, kernel, tensors.get(f"{name}.bias"), padding=kernel.shape[-1] // 2)


def _chain(value: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    count = sum(name.endswith(".weight") for name in tensors)
    for index in range(count):
        value = _conv(value, tensors, f"model.{2 * index}")
        value = value.relu() if index < count - 1 else value
    return value


def _dncnn(noisy: torch.Tensor, level: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    return noisy - _chain(noisy, tensors)


def _ffdnet(noisy: torch.Tensor, level: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    phases = F.pixel_unshuffle(noisy, 2)
    noise_map = level.expand(-1, 1, *phases.shape[2:])
    return F.pixel_shuffle(_chain(torch.cat((phases, noise_map), 1), tensors), 2)


def _red30(noisy: torch.Tensor, level: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    value, kept = noisy, [noisy]
    for index in range(15):
        value = _conv(value, tensors, f"conv.{index}").relu()
        kept.append(value)
    for index in range(15):
        kernel = tensors[f"deconv.{index}.weight"].flip(2, 3).transpose(0, 1)
        value = F.conv_transpose2d(value, kernel, tensors[f"deconv.{index}.bias"], padding=1)
        value = value + kept[14 - index] if index % 2 == 0 else value
        value = value.relu() if index < 14 else value
    return value


def _memnet(noisy: torch.Tensor, level: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    def layer(value: torch.Tensor, name: str) -> torch.Tensor:
        scale, shift = (tensors[f"{name}.norm.{part}"][:, None, None] for part in ("scale", "shift"))
        return _conv((value * scale + shift).relu(), tensors, name)

    memories = [layer(noisy, "features")]
    for block in range(6):
        states = [memories[-1]]
        for _ in range(6):
            inner = layer(states[-1], f"block.{block}.first").relu()
            states.append(_conv(inner, tensors, f"block.{block}.second") + states[-1])
        memories.append(layer(torch.cat((*states[1:], *memories), 1), f"block.{block}.gate"))
    return noisy + layer(memories[-1], "output")


def _drunet(noisy: torch.Tensor, level: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    def blocks(value: torch.Tensor, name: str, first: int) -> torch.Tensor:
        for index in range(first, first + 4):
            inner = _conv(value, tensors, f"{name}.{index}.res.0").relu()
            value = value + _conv(inner, tensors, f"{name}.{index}.res.2")
        return value

    value = _conv(torch.cat((noisy, level.expand(-1, 1, *noisy.shape[2:])), 1), tensors, "m_head")
    kept = [value]
    for scale in (1, 2, 3):
        value = blocks(value, f"m_down{scale}", 0)
        value = F.conv2d(value, tensors[f"m_down{scale}.4.weight"], stride=2)
        kept.append(value)
    value = blocks(value, "m_body", 0)
    for scale in (3, 2, 1):
        value = F.conv_transpose2d(value + kept[scale], tensors[f"m_up{scale}.0.weight"], stride=2)
        value = blocks(value, f"m_up{scale}", 1)
    return _conv(value + kept[0], tensors, "m_tail")


def _fsrcnn(scale: int, noisy: torch.Tensor, level: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    value = noisy
    for name in ("extract", "shrink", "map.0", "map.1", "map.2", "map.3", "expand"):
        value = F.prelu(_conv(value, tensors, name), tensors[f"{name}.slope"])
    kernel, bias = tensors["enlarge.weight"], tensors["enlarge.bias"]
    return F.conv_transpose2d(value, kernel, bias, stride=scale, padding=4, output_padding=scale - 1)


def _imdn(scale: int, noisy: torch.Tensor, level: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    features = value = _conv(noisy, tensors, "fea_conv")
    found: list[torch.Tensor] = []
    for block in range(1, 7):
        kept: list[torch.Tensor] = []
        inner = value
        for step in (1, 2, 3):
            inner = F.leaky_relu(_conv(inner, tensors, f"IMDB{block}.c{step}"), 0.05)
            kept.append(inner[:, :16])
            inner = inner[:, 16:]
        together = torch.cat((*kept, _conv(inner, tensors, f"IMDB{block}.c4")), 1)
        contrast = together.std((2, 3), unbiased=False, keepdim=True) + together.mean((2, 3), keepdim=True)
        weight = _conv(
            _conv(contrast, tensors, f"IMDB{block}.cca.conv_du.0").relu(), tensors, f"IMDB{block}.cca.conv_du.2"
        )
        value = value + _conv(together * weight.sigmoid(), tensors, f"IMDB{block}.c5")
        found.append(value)
    value = F.leaky_relu(_conv(torch.cat(found, 1), tensors, "c.0"), 0.05)
    value = _conv(value, tensors, "LR_conv") + features
    return F.pixel_shuffle(_conv(value, tensors, "upsampler.0"), scale)


FORMULAS: dict[str, Callable[[torch.Tensor, torch.Tensor, Tensors], torch.Tensor]] = {
    "dncnn": _dncnn,
    "ffdnet": _ffdnet,
    "red30": _red30,
    "memnet": _memnet,
    "drunet": _drunet,
    **{f"fsrcnn-x{scale}": partial(_fsrcnn, scale) for scale in (2, 3, 4)},
    **{f"imdn-x{scale}": partial(_imdn, scale) for scale in (2, 3, 4)},
}


def _run(peer: Peer, noisy: np.ndarray, sigma: float) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = peer_model(peer, RANDOM).SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    feeds = {"noisy": noisy, "sigma": np.full(len(noisy), sigma, np.float32)}
    return np.asarray(session.run(None, {item.name: feeds[item.name] for item in session.get_inputs()})[0])


@pytest.mark.parametrize("name", PEERS)
def test_the_graph_computes_what_the_paper_says(name: str) -> None:
    peer = PEERS[name]
    noisy = np.random.default_rng(1).random((2, peer.channels, 16, 24), np.float32)
    tensors = {key: torch.from_numpy(RANDOM.tensor(key, shape)) for key, shape in peer_shapes(peer).items()}
    level = torch.full((2, 1, 1, 1), 30 / 255)
    with torch.no_grad():
        expected = FORMULAS[name.removesuffix("-color")](torch.from_numpy(noisy), level, tensors).numpy()
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(_run(peer, noisy, 30), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", PEERS)
def test_the_parameters_are_as_many_as_published(name: str) -> None:
    shapes = peer_shapes(PEERS[name])
    counted = {key: shape for key, shape in shapes.items() if name not in KERNELS_ALONE or len(shape) == 4}
    assert round(sum(map(prod, counted.values())) / 1000) == PUBLISHED_PARAMETERS[name]


@pytest.mark.parametrize(
    "name", [name for name, peer in PEERS.items() if not name.endswith("-color") and peer.tiling == "exact"]
)
def test_nothing_beyond_the_halo_matters(name: str) -> None:
    peer = PEERS[name]
    middle = 8 * (peer.halo // 8 + 2)
    noisy = np.random.default_rng(1).random((1, peer.channels, 8, 2 * middle), np.float32)
    changed = noisy.copy()
    changed[..., middle] += 1
    moved = np.flatnonzero((_run(peer, noisy, 30) != _run(peer, changed, 30)).any(axis=(0, 1, 2))) // peer.scale
    assert len(moved) > 0
    assert middle - peer.halo <= moved.min() and moved.max() <= middle + peer.halo


def _weights_file(path: Path, peer: Peer, **metadata: str) -> Path:
    tensors = {name: RANDOM.tensor(name, shape) / 2 for name, shape in peer_shapes(peer).items()}
    save_file(tensors, path, metadata)
    return path


def test_weights_come_back_from_their_file(tmp_path: Path) -> None:
    peer = PEERS["dncnn"]
    file = _weights_file(tmp_path / "dncnn.safetensors", peer, sigma_range="25:25")
    given = read_weights(file)
    model = peer_model(peer, given)
    manifest = manifest_of(model)
    assert (manifest.weights, manifest.sigma_range) == ("trained", (25.0, 25.0))
    assert manifest_of(peer_model(peer, RANDOM)).weights == "random"
    stored = {item.name: item for item in model.graph.initializer}
    for name, shape in peer_shapes(peer).items():
        assert np.array_equal(given.tensor(name, shape), RANDOM.tensor(name, shape) / 2)
        assert stored[name].raw_data == given.tensor(name, shape).tobytes()


def test_weights_that_do_not_fit_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    tensors = {name: RANDOM.tensor(name, shape) for name, shape in peer_shapes(PEERS["ffdnet"]).items()}
    del tensors["model.4.bias"]
    save_file(tensors | {"model.0.weight": np.zeros((64, 4, 3, 3), np.float32), "extra": np.zeros(1)}, file)
    with pytest.raises(UserError) as caught:
        peer_files(("ffdnet",), {"ffdnet": file}, tmp_path)
    text = str(caught.value)
    assert "lacks model.4.bias (64,)" in text
    assert "has model.0.weight (64, 4, 3, 3) instead of (64, 5, 3, 3)" in text
    assert "has unknown extra" in text
    (tmp_path / "bad.safetensors").write_bytes(b"hello")
    for path in (tmp_path / "bad.safetensors", tmp_path / "none.safetensors"):
        with pytest.raises(UserError, match="cannot be read as safetensors"):
            read_weights(path)
    _weights_file(file, PEERS["dncnn"], sigma_range="loud")
    with pytest.raises(UserError, match="sigma_range 'loud'"):
        read_weights(file)


def test_names_of_peers() -> None:
    assert peer_names("ffdnet, bm3d,ffdnet", frozenset()) == ("ffdnet", "bm3d")
    assert all((PEERS | CLASSICAL)[name].channels == 3 for name in peer_names("all", frozenset({(3, 1)})))
    denoisers = {*CLASSICAL, *(name for name, peer in PEERS.items() if peer.scale == 1)}
    assert set(peer_names("all", frozenset({(1, 1), (3, 1)}))) == denoisers
    assert peer_names("all", frozenset({(1, 3), (3, 3)})) == ("fsrcnn-x3", "imdn-x3")
    with pytest.raises(UserError, match="no peer 'resnet'; known: all, dncnn"):
        peer_names("ffdnet,resnet", frozenset())
    assert weights_by_peer(["ffdnet=a=b.safetensors"]) == {"ffdnet": Path("a=b.safetensors")}
    with pytest.raises(UserError, match="expected PEER=FILE"):
        weights_by_peer(["bm3d=x"])
    with pytest.raises(UserError, match="not measured; add it to --peers"):
        peer_files(("dncnn",), {"ffdnet": Path("x")}, Path())


@pytest.mark.parametrize("name", ["nlm", "nlm-color"])
def test_non_local_means_removes_noise(name: str) -> None:
    method = scored_classical(name, threads=1, device="here")
    rows, columns = np.mgrid[:64, :80]
    clean = (0.5 + 0.3 * ((rows // 16 + columns // 16) % 2)).astype(np.float32)
    clean = clean if method.channels == 1 else np.stack([clean, 1 - clean, clean], -1)
    noisy = clean + np.random.default_rng(0).normal(0, 25 / 255, clean.shape).astype(np.float32)
    result = method.denoise(noisy, 25.0)
    assert result.shape == clean.shape and result.dtype == np.float32
    assert np.mean((result - clean) ** 2) < np.mean((noisy - clean) ** 2) / 4
    assert method.facts["model"] == method.name and "scikit-image" in method.facts["library"]


def test_bm3d_is_told_the_noise_in_the_images_units(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    calls: list[tuple[tuple[int, ...], float]] = []

    def bm3d(noisy: np.ndarray, sigma: float) -> np.ndarray:
        calls.append((noisy.shape, sigma))
        return noisy[..., None] if noisy.ndim == 2 else noisy

    module = types.ModuleType("bm3d")
    module.bm3d = module.bm3d_rgb = bm3d  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "bm3d", module)
    for name, shape in (("bm3d", (12, 10)), ("bm3d-color", (12, 10, 3))):
        assert CLASSICAL[name].open()(np.zeros(shape, np.float32), 51.0).shape == shape
    assert calls == [((12, 10), 0.2), ((12, 10, 3), 0.2)]
    monkeypatch.setitem(sys.modules, "bm3d", None)
    with pytest.raises(UserError, match=r"non-commercial use alone.*pip install bm3d"):
        CLASSICAL["bm3d"].open()
