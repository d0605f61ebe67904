"""From a trained PNet to the ONNX file that ships, and the proof that both say the same.

The graph is written node by node: it is short, has dynamic batch and image sides, and needs no
exporter of any torch version.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from csstream.imaging.finding.pnet import ASINH_SCALE, CHANNELS, HEADS
from csstream.trainer.pnet_network import STRIDE, PNet

OPSET = 17
IR_VERSION = 8
PARITY = 1e-4  # allowed difference, of each output's scale
Array = npt.NDArray[np.float32]


class ExportError(RuntimeError):
    """The exported network does not say what the trained one says."""


def export_pnet(network: PNet, path: Path) -> None:
    """Write ``network`` as ONNX: input ``image`` (b, 3, y, x), output ``heads`` (b, 6, y, x)."""
    graph = _Graph()
    graph.node("SpaceToDepth", ["image"], "cells", blocksize=STRIDE)
    graph.convolve("cells", "features_0", "stem", *_stem(network))
    last = "features_0"
    for k, block in enumerate(network.blocks):
        graph.node("Relu", [last], f"active_{k}")
        graph.convolve(f"active_{k}", f"inner_{k}", f"block_{k}_first", *_parameters(block.first))
        graph.node("Relu", [f"inner_{k}"], f"inner_active_{k}")
        second = _parameters(block.second)
        graph.convolve(f"inner_active_{k}", f"change_{k}", f"block_{k}_second", *second)
        graph.node("Add", [f"change_{k}", last], f"features_{k + 1}")
        last = f"features_{k + 1}"
    graph.node("Relu", [last], "active")
    graph.convolve("active", "corrections", "head", *_parameters(network.head))
    graph.node("Relu", ["cells"], "signal")
    graph.convolve("signal", "own_signal", "skip", *_signal_to_flux())
    graph.node("Add", ["corrections", "own_signal"], "cell_heads")
    graph.node("DepthToSpace", ["cell_heads"], "heads", blocksize=STRIDE, mode="CRD")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(graph.model().SerializeToString())


def check_parity(network: PNet, path: Path, inputs: Array) -> float:
    """Return the largest difference between torch and onnxruntime, in each output's scale.

    ``inputs`` (b, 3, ny, nx); scale is the head's standard deviation over them. Raises
    :class:`ExportError` above :data:`PARITY`.
    """
    import onnxruntime

    with torch.no_grad():
        expected = network.cpu().eval()(torch.from_numpy(inputs)).numpy()
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"image": inputs})
    scale = expected.std(axis=(0, 2, 3), keepdims=True) + 1e-6
    worst = float((np.abs(found - expected) / scale).max())
    if not worst <= PARITY:
        raise ExportError(f"{path}: heads differ from the trained network's by {worst:.2g}")
    return worst


class _Graph:
    """Collects nodes and weights of one model."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))

    def convolve(self, source: str, output: str, name: str, weight: Array, bias: Array) -> None:
        for suffix, value in (("weight", weight), ("bias", bias)):
            array = np.ascontiguousarray(value, np.float32)
            self.weights.append(numpy_helper.from_array(array, f"{name}.{suffix}"))
        inputs = [source, f"{name}.weight", f"{name}.bias"]
        reach = weight.shape[-1] // 2
        self.node("Conv", inputs, output, pads=[reach] * 4, kernel_shape=list(weight.shape[2:]))

    def model(self) -> Any:
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", CHANNELS, "y", "x"])
        heads = helper.make_tensor_value_info(
            "heads", TensorProto.FLOAT, ["b", len(HEADS), "y", "x"]
        )
        graph = helper.make_graph(self.nodes, "pnet", [image], [heads], self.weights)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, producer_name="csstream")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model)
        return model


def _parameters(layer: Any) -> tuple[Array, Array]:
    return layer.weight.detach().cpu().numpy(), layer.bias.detach().cpu().numpy()


def _stem(network: PNet) -> tuple[Array, Array]:
    # torch keeps a channel's sub-pixels together, ONNX a sub-pixel's channels.
    weight, bias = _parameters(network.stem)
    cells = STRIDE * STRIDE
    split = weight.reshape(weight.shape[0], CHANNELS, cells, *weight.shape[2:])
    return split.swapaxes(1, 2).reshape(weight.shape), bias


def _signal_to_flux() -> tuple[Array, Array]:
    """Weights that hand each sub-pixel's asinh signal to its flux head."""
    cells = STRIDE * STRIDE
    weight = np.zeros((len(HEADS) * cells, CHANNELS * cells, 1, 1), np.float32)
    flux = HEADS.index("ln_flux")
    for cell in range(cells):
        weight[flux * cells + cell, cell * CHANNELS] = 1.0 / ASINH_SCALE
    return weight, np.zeros(len(HEADS) * cells, np.float32)
