"""Models on disk and their ONNX Runtime sessions."""
