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

import torchvision

if not hasattr(torchvision.io, "VideoReader"):
    # torchvision has given up films, and its successor torchcodec is built for CUDA. LeRobot's
    # backend "pyav" was this class on PyAV, as here; which frame it takes by which time stamp,
    # and how far off that may be, is LeRobot's own code.
    import av

    class _VideoReader:
        def __init__(self, path, stream):
            self.container = av.open(path)
            self._stream = self.container.streams.video[0]

        def seek(self, seconds, keyframes_only):
            offset = round(seconds / float(self._stream.time_base))
            self.container.seek(offset, backward=True, any_frame=False, stream=self._stream)
            return self

        def __iter__(self):
            for frame in self.container.decode(self._stream):
                pixels = torch.from_numpy(frame.to_ndarray(format="rgb24"))
                yield {"data": pixels.permute(2, 0, 1), "pts": float(frame.pts * frame.time_base)}

    torchvision.io.VideoReader = _VideoReader
    torchvision.set_video_backend = lambda backend: None
