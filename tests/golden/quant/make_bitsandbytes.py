"""Weights as bitsandbytes quantizes them on the CPU: 4 bits (NF4, FP4, with and without double quantization) and
8 bits (row-wise). README.md says what the files hold.

Usage: python make_bitsandbytes.py
"""

from pathlib import Path

import bitsandbytes.functional as bnb
import torch
from safetensors.torch import save_file

from double_quantization import nested

HERE = Path(__file__).parent
SHAPES = {"even": (192, 128), "crossing": (24, 344), "odd": (64, 35)}


def weight(name, dtype):
    torch.manual_seed(len(name))
    rows, columns = SHAPES[name]
    values = torch.randn(rows, columns) * 0.05 * torch.rand(rows, 1)
    values[3] = 0  # a row, and with it whole blocks, without any value
    return values.to(dtype)


tensors = {"dynamic_map": bnb.create_dynamic_map(), "nf4": bnb.get_4bit_type("nf4", device="cpu")}
tensors["fp4"] = bnb.get_4bit_type("fp4", device="cpu")
for name in SHAPES:
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        given = weight(name, dtype)
        label = f"{name}.{str(dtype).removeprefix('torch.')}"
        tensors[label] = given
        for kind in ("nf4", "fp4"):
            codes, state = bnb.quantize_4bit(given, blocksize=64, quant_type=kind)
            tensors[f"{label}.{kind}.codes"] = codes.flatten()
            tensors[f"{label}.{kind}.maxima"] = state.absmax
            values = bnb.dequantize_4bit(codes, state).float() if dtype == torch.float32 else None
            small, outer, offset = nested(state.absmax)
            tensors[f"{label}.{kind}.nested.codes"] = small
            tensors[f"{label}.{kind}.nested.maxima"] = outer
            tensors[f"{label}.{kind}.nested.offset"] = offset.reshape(1)
            if values is not None:
                tensors[f"{label}.{kind}.values"] = values
        # transformers hands float16 to LLM.int8.
        codes, maxima, _ = bnb.int8_vectorwise_quant(given.to(torch.float16))
        tensors[f"{label}.int8.codes"] = codes
        tensors[f"{label}.int8.maxima"] = maxima.float()
save_file({name: value.contiguous() for name, value in tensors.items()}, HERE / "bitsandbytes.safetensors")
