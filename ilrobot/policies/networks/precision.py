"""In what numbers matrices are multiplied while a network is trained."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


def product_type(x: Tensor) -> torch.dtype:
    """bfloat16 where products may be of medium precision and the processor multiplies it itself.

    Those take a half to a third of the time of float32, with sums in float32. Elsewhere the type of
    `x`. What is kept and added up between products, weights and normalisation, stays as it is.
    Where the processor has matrix units for bfloat16 (AMX), torch rounds what goes into every other
    product of medium precision as well: errors are up to 3e-3 of the greatest element.
    """
    if x.device.type != "cpu" or torch.get_float32_matmul_precision() != "medium":
        return x.dtype
    return torch.bfloat16 if _multiplies_bfloat16() else x.dtype


@cache
def _multiplies_bfloat16() -> bool:
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
