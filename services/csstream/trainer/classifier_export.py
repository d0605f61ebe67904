"""From the trained classifier to the ONNX file that ships, and the proof that they agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from csstream.inference.classifier import CHANNELS
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.views import GLOBAL_BINS, LOCAL_BINS
from csstream.trainer.classifier_network import KERNEL, CurveNetwork, Stack

Array = npt.NDArray[Any]

OPSET = 17
IR_VERSION = 8
PARITY = 1e-5  # allowed difference of a probability


class ExportError(RuntimeError):
    """The exported network does not say what the trained one says."""


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def weight(self, name: str, value: Any) -> str:
        array = np.ascontiguousarray(value.detach().cpu().numpy(), np.float32)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def layer(self, kind: str, source: str, name: str, layer: Any, **attributes: Any) -> str:
        inputs = [
            source,
            self.weight(f"{name}.weight", layer.weight),
            self.weight(f"{name}.bias", layer.bias),
        ]
        return self.node(kind, inputs, name, **attributes)

    def stack(self, source: str, stack: Stack) -> str:
        last = source
        for k, pool in enumerate(stack.pools):
            for i in (2 * k, 2 * k + 1):
                last = self.layer(
                    "Conv",
                    last,
                    f"{source}_{i}",
                    stack.convolutions[i],
                    kernel_shape=[KERNEL],
                    pads=[KERNEL // 2] * 2,
                )
                last = self.node("Relu", [last], f"{source}_{i}_active")
            last = self.node(
                "MaxPool", [last], f"{source}_{k}_pool", kernel_shape=[pool], strides=[pool]
            )
        return self.node("Flatten", [last], f"{source}_flat", axis=1)


def export_classifier(network: CurveNetwork, path: Path) -> None:
    """Write ONNX: ``global`` (b, 3, 201), ``local`` (b, 3, 61), ``scalars`` (b, s) -> (b, 4)."""
    graph = _Graph()
    views = [graph.stack("global", network.whole), graph.stack("local", network.near)]
    mean = graph.weight("mean", network.mean)
    scale = graph.weight("scale", network.scale)
    graph.node("Sub", ["scalars", mean], "centred")
    graph.node("Div", ["centred", scale], "values")
    last = graph.node("Concat", [*views, "values"], "joined", axis=1)
    for k, layer in enumerate(network.dense):
        last = graph.layer("Gemm", last, f"dense_{k}", layer, transB=1)
        if k < len(network.dense) - 1:
            last = graph.node("Relu", [last], f"dense_{k}_active")
    cool = graph.node("Div", [last, graph.weight("temperature", network.temperature)], "logits")
    graph.node("Softmax", [cool], "probabilities", axis=1)
    write_model(path, graph.nodes, graph.weights, len(network.mean))


def write_model(
    path: Path, nodes: list[Any], weights: list[Any], scalars: int, *domains: str
) -> None:
    """Write a graph from the three inputs to ``probabilities``, checked; ``domains``: others."""

    def tensor(name: str, *shape: Any) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", *shape])

    inputs = [
        tensor("global", CHANNELS, GLOBAL_BINS),
        tensor("local", CHANNELS, LOCAL_BINS),
        tensor("scalars", scalars),
    ]
    outputs = [tensor("probabilities", len(KINDS))]
    made = helper.make_graph(nodes, "classifier", inputs, outputs, weights)
    opset = [helper.make_opsetid("", OPSET), *(helper.make_opsetid(d, 3) for d in domains)]
    model = helper.make_model(made, opset_imports=opset, producer_name="csstream")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())


def check_parity(path: Path, inputs: tuple[Array, Array, Array], wanted: Array) -> float:
    """Largest difference of a probability between what was trained (k, 4) and onnxruntime.

    Raises :class:`ExportError` above :data:`PARITY`.
    """
    runtime = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = ("global", "local", "scalars")
    found = runtime.run(None, dict(zip(names, inputs, strict=True)))[0]
    difference = float(np.max(np.abs(found - wanted)))
    if not difference <= PARITY:
        raise ExportError(f"{path}: probabilities differ by {difference:.2g}, allowed {PARITY:g}")
    return difference
