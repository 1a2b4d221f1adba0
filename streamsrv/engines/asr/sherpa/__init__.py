"""Models exported to ONNX, on sherpa-onnx."""
