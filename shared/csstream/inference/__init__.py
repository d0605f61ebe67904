"""ONNX sessions, model cards and the weights that ship."""
