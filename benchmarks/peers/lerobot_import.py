"""Import this before lerobot: it keeps it off the network and mends torchvision's import.

PyPI's torchvision is built for CUDA. Beside a torch for the CPU its compiled operators do not load,
and importing it stops at two that it wants to describe, `nms` and `qnms`. No comparison calls them,
so declaring them is enough.
"""

import importlib
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

import torch

try:
    importlib.import_module("torchvision")
except RuntimeError:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    _operators = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        _operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    importlib.import_module("torchvision")
