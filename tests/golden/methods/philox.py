"""Eft's random numbers in NumPy: Philox4x32-10 (Salmon et al. 2011), with the counters of shaders/neftune.wgsl and
shaders/dropout.wgsl, so that a library's method runs on the very numbers that Eft draws."""

import numpy as np


def philox(count, salt, micro_step, kind, seed):
    """`count` 32-bit words of the counters (i // 4, salt, micro step, kind) under the key (seed, 0)."""
    quads = np.arange(-(-count // 4), dtype=np.uint64)
    c = [quads, np.full_like(quads, salt), np.full_like(quads, micro_step), np.full_like(quads, kind)]
    k = [seed, 0]
    mask = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k[0]), p1 & mask, (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k[1]), p0 & mask]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(c, axis=1).reshape(-1)[:count]


def neftune_uniform(count, micro_step, seed):
    """Numbers in [0, 1) with 24 bits."""
    return (philox(count, 0, micro_step, 1, seed) >> np.uint64(8)).astype(np.float64) / 2**24


def dropout_keeps(count, salt, micro_step, seed, probability):
    return philox(count, salt, micro_step, 0, seed) >= np.uint64(round(probability * 2**32))
