"""What runs a network: ONNX Runtime, OpenVINO, TorchScript."""

import os

# Packages of ONNX Runtime since 1.29 collect events in the home folder and send them to Microsoft. Nothing
# beside a patient archive does that; the variable is read once, when onnxruntime is first imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
