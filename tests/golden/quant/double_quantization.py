"""Double quantization of block maxima, for the scripts of this folder."""

import bitsandbytes.functional as bnb
import torch


def nested(maxima):
    """Double quantization by the rule of bitsandbytes' default and CUDA kernels: the code whose value is nearest. (Its
    compiled CPU kernel takes the second nearest now and then, where a value is all but halfway.)"""
    offset, codes = maxima.mean(), bnb.create_dynamic_map()
    shifted = maxima - offset
    outer = torch.stack([part.abs().max() for part in shifted.split(256)])
    scaled = shifted * (1.0 / outer.repeat_interleave(256)[: len(shifted)])
    found = torch.bucketize(scaled.clamp(-1, 1), (codes[:-1] + codes[1:]) / 2, out_int32=True).to(torch.uint8)
    theirs, state = bnb.quantize_blockwise(shifted, blocksize=256)
    assert torch.equal(outer, state.absmax) and (found != theirs).sum() <= 2
    return found, outer, offset


def nested_values(maxima):
    """What the maxima become."""
    codes, outer, offset = nested(maxima)
    return bnb.create_dynamic_map()[codes.long()] * outer.repeat_interleave(256)[: len(maxima)] + offset
