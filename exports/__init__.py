"""The robot: ONNX, parity, the control loop, robot adapters."""
