import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from csstream.imaging.finding.pnet import HEADS  # noqa: E402
from csstream.imaging.finding.tiling import Tiling, assemble, run_tiled  # noqa: E402
from csstream.trainer.pnet_export import ExportError, check_parity, export_pnet  # noqa: E402
from csstream.trainer.pnet_network import PNet, halo  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture
def network():
    """A small network whose layers all matter."""
    torch.manual_seed(3)
    made = PNet(channels=8, blocks=2)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made.eval()


def image(ny, nx, seed=0):
    return np.random.default_rng(seed).standard_normal((1, 3, ny, nx)).astype(np.float32)


def run(network, inputs):
    with torch.no_grad():
        return network(torch.from_numpy(inputs)).numpy()


def test_heads_come_at_full_resolution(network):
    assert run(network, image(16, 22)).shape == (1, len(HEADS), 16, 22)


def test_the_network_looks_exactly_as_far_as_its_halo(network):
    inputs = image(96, 96)
    reach = halo(2)
    before = run(network, inputs)
    inputs[0, :, 48, 48] += 1.0
    rows, columns = np.nonzero((run(network, inputs) != before).any(axis=(0, 1)))
    assert rows.min() == columns.min() == 48 - reach
    assert rows.max() == columns.max() == 49 + reach


def test_tiles_with_the_halo_say_what_the_whole_says(network):
    inputs = image(75, 110)[0]

    def tiled(core):
        tiling = Tiling(core=core, halo=halo(2))
        cores = run_tiled(
            lambda rows, columns: inputs[:, rows, columns],
            (75, 110),
            lambda tiles: run(network, tiles),
            tiling,
            lambda core: core,
        )
        return assemble(cores, (75, 110))

    np.testing.assert_allclose(tiled(32), tiled(128), atol=1e-5)


def test_flux_starts_at_the_pixels_own_signal():
    inputs = np.zeros((1, 3, 16, 16), np.float32)
    inputs[0, 0, 8, 8] = 0.5 * np.arcsinh(100.0)
    heads = run(PNet(channels=8, blocks=1).eval(), inputs)
    assert heads[0, 3, 8, 8] - heads[0, 3, 0, 0] == pytest.approx(np.arcsinh(100.0), abs=0.5)


@pytest.mark.parametrize("shape", [(32, 32), (48, 34)])
def test_onnx_says_what_torch_says(network, tmp_path, shape):
    path = tmp_path / "net.onnx"
    export_pnet(network, path)
    assert check_parity(network, path, image(*shape, seed=5)) < 1e-4


def test_an_unequal_export_is_refused(network, tmp_path):
    path = tmp_path / "net.onnx"
    export_pnet(network, path)
    with torch.no_grad():
        network.head.bias[0] += 0.5
    with pytest.raises(ExportError, match="differ"):
        check_parity(network, path, image(32, 32))
