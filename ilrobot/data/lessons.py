"""The words for what recordings teach; without numpy, so that the command line can offer them."""

from __future__ import annotations

from typing import Literal

#: How what interventions leave is weighted; see `ilrobot.data.weights`.
Weighting = Literal["plain", "iwr", "sirius", "own"]
#: What a chunk is taught that crosses an intervention; see `ilrobot.data.cutting`.
ChunkLabels = Literal["cut", "padded", "completed"]
