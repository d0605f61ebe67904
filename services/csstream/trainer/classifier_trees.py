"""The baseline: gradient-boosted trees on the same inputs, and the same trees as ONNX nodes.

The exported trees need onnxruntime only, like the network, behind the same inputs and outputs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import helper, numpy_helper
from sklearn.ensemble import HistGradientBoostingClassifier

from csstream.inference.classifier import CHANNELS
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.views import GLOBAL_BINS, LOCAL_BINS
from csstream.trainer.classifier_export import write_model
from csstream.trainer.classifier_metrics import balance

Array = npt.NDArray[Any]
Inputs = tuple[Array, Array, Array]

ROUNDS = 200
RATE = 0.06
LEAVES = 15
LEAF_ROWS = 30
FEATURE_SHARE = 0.3  # of the inputs that a split may choose from
SHRINKAGE = 1.0  # L2
TREE_DOMAIN = "ai.onnx.ml"
NODE_COLUMNS = (
    "treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
)  # fmt: skip
TARGET_COLUMNS = ("treeids", "nodeids", "ids", "weights")


def flat(inputs: Inputs) -> Array:
    """The network's three inputs as one table (k, 3 * 262 + s)."""
    whole, near, scalars = inputs
    return np.hstack([whole.reshape(len(whole), -1), near.reshape(len(near), -1), scalars])


def fit_trees(inputs: Inputs, label: Array, seed: int) -> HistGradientBoostingClassifier:
    """Train the trees."""
    trees = HistGradientBoostingClassifier(
        max_iter=ROUNDS,
        learning_rate=RATE,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=LEAF_ROWS,
        l2_regularization=SHRINKAGE,
        max_features=FEATURE_SHARE,
        early_stopping=False,
        random_state=seed,
    )
    return trees.fit(flat(inputs), label, sample_weight=balance(label))


def scores(trees: HistGradientBoostingClassifier, inputs: Inputs) -> Array:
    """Logits (k, 4) before calibration."""
    return np.asarray(trees.decision_function(flat(inputs)), np.float64)


def export_trees(trees: HistGradientBoostingClassifier, temperature: float, path: Path) -> None:
    """Write ONNX with the network's inputs and output."""
    lengths = (CHANNELS * GLOBAL_BINS, CHANNELS * LOCAL_BINS)
    nodes = [
        helper.make_node("Flatten", [name], [f"{name}_flat"], axis=1)
        for name in ("global", "local")
    ]
    nodes += [
        helper.make_node("Concat", ["global_flat", "local_flat", "scalars"], ["table"], axis=1),
        helper.make_node(
            "TreeEnsembleRegressor", ["table"], ["scores"], domain=TREE_DOMAIN, **_nodes(trees)
        ),
        helper.make_node("Div", ["scores", "temperature"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    cool = numpy_helper.from_array(np.array([temperature], np.float32), "temperature")
    write_model(path, nodes, [cool], int(trees.n_features_in_) - sum(lengths), TREE_DOMAIN)


def _nodes(trees: HistGradientBoostingClassifier) -> dict[str, Any]:
    """Attributes of the ONNX node: every node of every tree, and what each leaf adds."""
    columns: dict[str, list[Any]] = {f"nodes_{name}": [] for name in NODE_COLUMNS}
    targets: dict[str, list[Any]] = {f"target_{name}": [] for name in TARGET_COLUMNS}
    number = 0
    for stage in trees._predictors:
        for target, predictor in enumerate(stage):
            _add_tree(columns, targets, predictor.nodes, number, target)
            number += 1
    base = np.ravel(trees._baseline_prediction).astype(np.float32)
    return {
        **columns,
        **targets,
        "n_targets": len(KINDS),
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        "base_values": [float(b) for b in base],
    }


def _add_tree(
    columns: dict[str, list[Any]], targets: dict[str, list[Any]], nodes: Array, tree: int, to: int
) -> None:
    for k, node in enumerate(nodes):
        leaf = bool(node["is_leaf"])
        row = (
            tree,
            k,
            0 if leaf else int(node["feature_idx"]),
            0.0 if leaf else _below(float(node["num_threshold"])),
            "LEAF" if leaf else "BRANCH_LEQ",
            0 if leaf else int(node["left"]),
            0 if leaf else int(node["right"]),
        )
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
        if leaf:
            for column, value in zip(
                targets.values(), (tree, k, to, float(node["value"])), strict=True
            ):
                column.append(value)


def _below(threshold: float) -> float:
    """The largest float32 not above a threshold: inputs are float32, so no branch changes."""
    value = np.float32(threshold)
    return float(value if float(value) <= threshold else np.nextafter(value, np.float32(-np.inf)))
