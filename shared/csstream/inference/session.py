"""Running ONNX networks: the one place that imports onnxruntime.

On the CPU the thread count is fixed (one, unless asked), so the same input gives the same bytes.
A GPU is used only where it was asked for, and is never silently replaced by the CPU.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from csstream.inference.cards import InferenceError, ModelCard, find_weights, read_card

__all__ = ["InferenceError", "Provider", "Session", "available_providers", "open_session"]

Array = npt.NDArray[Any]
Provider = Literal["cpu", "cuda"]
CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
# Without TF32 a GPU agrees with the CPU to about 1e-5 of an output's scale, with it to 1e-3.
CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}


class Session:
    """One loaded network. Make it with :func:`open_session`; many threads may :meth:`run` it."""

    def __init__(self, runtime: Any, provider: str, card: ModelCard) -> None:
        self._runtime = runtime
        self.provider = provider  # onnxruntime's name of what computes
        self.card = card
        self.inputs = [entry.name for entry in runtime.get_inputs()]
        self.outputs = [entry.name for entry in runtime.get_outputs()]

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Return the outputs, in the order of :attr:`outputs`.

        Raises :class:`InferenceError` when an input is missing, unknown or of the wrong shape.
        """
        if set(inputs) != set(self.inputs):
            raise InferenceError(
                f"{self.card.name}: inputs are {sorted(inputs)}, wanted {sorted(self.inputs)}"
            )
        contiguous = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        try:
            return list(self._runtime.run(None, contiguous))
        except Exception as error:  # onnxruntime raises bare types of its own extension
            raise InferenceError(f"{self.card.name}: {error}") from error


def available_providers() -> list[str]:
    """Return what this machine can compute on: ``cpu``, and ``cuda`` where it is built in."""
    built_in = _onnxruntime().get_available_providers()
    return ["cpu", "cuda"] if CUDA in built_in else ["cpu"]


def open_session(name_or_path: str | Path, provider: Provider = "cpu", threads: int = 1) -> Session:
    """Load a network by the name of a shipped one or by its ONNX file, and check its card.

    Parameters
    ----------
    provider : "cpu" or "cuda"
    threads : int
        CPU threads of one run; the outputs' last bits may depend on it.

    Raises
    ------
    InferenceError
        The network or its card is missing or damaged, no runtime is installed, or CUDA was asked
        for and is not there.
    """
    if provider not in ("cpu", "cuda"):
        raise InferenceError(f"provider must be cpu or cuda, not {provider!r}")
    weights = find_weights(name_or_path)
    card = read_card(weights)
    content = weights.read_bytes()
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise InferenceError(f"{weights}: does not match the SHA-256 in its card; get it again")
    if provider == "cuda" and CUDA not in _onnxruntime().get_available_providers():
        raise InferenceError(
            "CUDA was asked for, but this onnxruntime has no CUDA provider: "
            "install the gpu extra (onnxruntime-gpu) or choose cpu"
        )
    runtime = _load(content, provider, threads, weights)
    return Session(runtime, runtime.get_providers()[0], card)


def _onnxruntime() -> Any:
    """The runtime that is installed; neither is in the base, since one of two has to be chosen."""
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise InferenceError(
            "no ONNX runtime is installed: pip install 'csstream[cpu]' or, for a GPU, "
            "'csstream[gpu]'; or measure with --method classical"
        ) from error


def _load(content: bytes, provider: Provider, threads: int, weights: Path) -> Any:
    library = _onnxruntime()
    wanted: list[Any] = [(CUDA, CUDA_OPTIONS), CPU] if provider == "cuda" else [CPU]
    try:
        runtime = library.InferenceSession(content, _options(library, threads), providers=wanted)
    except Exception as error:  # onnxruntime raises bare types of its own extension
        raise InferenceError(f"{weights}: onnxruntime cannot load it: {error}") from error
    if provider == "cuda" and runtime.get_providers()[0] != CUDA:
        raise InferenceError(
            "CUDA was asked for, but onnxruntime fell back to the CPU: "
            "no GPU, or its driver and CUDA libraries do not fit"
        )
    return runtime


def _options(library: Any, threads: int) -> Any:
    options = library.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = library.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
