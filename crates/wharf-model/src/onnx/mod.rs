//! ONNX: what a graph holds, and our interpreter for `ai.onnx.ml` and the tensor operators around it.
