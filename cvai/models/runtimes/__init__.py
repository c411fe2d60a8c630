"""What runs a network: ONNX Runtime, OpenVINO, TorchScript."""
