//! Neural networks in ONNX, by `rten`.
