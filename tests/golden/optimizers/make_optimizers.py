"""Writes what 100 steps of each optimizer make of given weights and gradients, by the library that defines it.

Usage: python make_optimizers.py ADOPT
where ADOPT is src/axolotl/utils/optimizers/adopt.py of Axolotl at 067b021c8b87a9e5e380b9173c704cf7340e30f5.
Weights and gradients come from an integer hash that tests/train/optimizers_test.ts computes too, so that only
results are stored: the values of every tensor after the steps in KEPT, one safetensors file to a case.
"""

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import bitsandbytes
import bitsandbytes.backends.cpu.ops as bitsandbytes_cpu
import numpy as np
import optimi
import schedulefree
import torch
import torch.optim._muon as torch_muon
from safetensors.torch import save_file
from transformers.optimization import Adafactor

HERE = Path(__file__).parent
STEPS, KEPT = 100, (3, 100)
RATE = 1e-2
# A matrix of more than 4096 elements, a tall one, and a vector without weight decay.
SHAPES = {"wide": (40, 104), "tall": (72, 24), "vector": (50,)}
WEIGHT_DECAY = 0.1


def hashed(count, stream):
    """Numbers in [-1, 1) with 24 bits, from a 32-bit mix of their index and the stream."""
    with np.errstate(over="ignore"):
        h = np.arange(count, dtype=np.uint32) + np.uint32(stream) * np.uint32(0x9E3779B9)
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            h ^= h >> np.uint32(shift)
            h *= np.uint32(factor)
        h ^= h >> np.uint32(16)
    return ((h >> np.uint32(8)).astype(np.float64) / 2**23 - 1).astype(np.float32)


def start(index, shape):
    return torch.from_numpy(hashed(math.prod(shape), 1 + index).reshape(shape).copy())


def gradient(index, shape, step):
    """Noise around a constant direction, of sizes from 1 down to 1/64 by element."""
    count = math.prod(shape)
    size = 0.5 ** (np.arange(count) % 7)
    mixed = (hashed(count, 1000 * (1 + index) + step) + hashed(count, 100 + index)) * size
    return torch.from_numpy(mixed.astype(np.float32).reshape(shape).copy())


def rate(step):
    return RATE * (1 - step / 200)


class NewtonSchulzInFloat32:
    """torch, with float32 where torch.optim.Muon asks for bfloat16: Eft iterates in float32."""

    bfloat16 = torch.float32

    def __getattr__(self, name):
        return getattr(torch, name)


def muon(groups, **settings):
    torch_muon.torch = NewtonSchulzInFloat32()
    matrices = [group for group in groups if group["params"][0].ndim == 2]
    others = [group for group in groups if group["params"][0].ndim != 2]
    return [
        torch_muon.Muon(matrices, adjust_lr_fn="match_rms_adamw", **settings),
        torch.optim.AdamW(others, lr=settings["lr"], betas=(0.9, 0.999), eps=1e-8),
    ]


def adopt(groups, **settings):
    """The copy of github.com/iShohei220/adopt in Axolotl, with the decoupled weight decay that Axolotl sets."""
    spec = importlib.util.spec_from_file_location("adopt", sys.argv[1])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ADOPT(groups, decouple=True, foreach=False, **settings)


def quantize_to_nearest(values, code, absmax_out, codes_out, blocksize):
    """The blockwise quantization as published: the nearest code. The CPU kernel of bitsandbytes misses it for a few
    values in a hundred, the CUDA kernel and its fallback in PyTorch do not."""
    flat = torch.nn.functional.pad(values.reshape(-1), (0, -values.numel() % blocksize)).reshape(-1, blocksize)
    absmax = flat.abs().amax(dim=1)
    scaled = flat * (1 / absmax.clamp(min=1e-38))[:, None]
    nearest = torch.bucketize(scaled, (code[:-1] + code[1:]) / 2)
    absmax_out.copy_(absmax)
    codes_out.copy_(nearest.reshape(-1)[: values.numel()].reshape(values.shape).to(torch.uint8))


bitsandbytes_cpu._quant_blockwise_fp32_direct = quantize_to_nearest


def run_unfused(name):
    """Runs a case in a PyTorch whose every product and sum is rounded, as in the kernel.

    Its ordinary kernels for this processor fuse some of them, which puts a moment on the edge between two codes to the
    other side: after 100 steps one element of AdamW8bit is 4.6e-3 away from itself. The codes stay the ordinary ones.
    """
    environment = os.environ | {"ATEN_CPU_CAPABILITY": "default"}
    subprocess.run([sys.executable, __file__, sys.argv[1], name], env=environment, check=True)


def use_codes(codes):
    bitsandbytes.functional.create_dynamic_map = lambda signed=True: torch.tensor(codes["signed" if signed else "unsigned"])


ADAM = {"betas": (0.9, 0.99), "eps": 1e-8}
CASES = {
    # name: (kind in Eft, arguments of its own, the library's class, its settings)
    "adamw": ("adamw", {}, torch.optim.AdamW, ADAM),
    "adamw_8bit": ("adamw_8bit", {}, bitsandbytes.optim.AdamW8bit, ADAM),
    "lion": ("lion", {}, bitsandbytes.optim.Lion32bit, {"betas": (0.9, 0.99)}),
    "lion_8bit": ("lion_8bit", {}, bitsandbytes.optim.Lion8bit, {"betas": (0.9, 0.99)}),
    "sgd": ("sgd", {}, torch.optim.SGD, {}),
    "sgd_momentum": ("sgd", {"momentum": 0.9, "dampening": 0.2}, torch.optim.SGD, {"momentum": 0.9, "dampening": 0.2}),
    "sgd_nesterov": ("sgd", {"momentum": 0.9, "nesterov": True}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("adagrad", {"lr_decay": 0.01}, torch.optim.Adagrad, {"lr_decay": 0.01}),
    "rmsprop": ("rmsprop", {}, torch.optim.RMSprop, {}),
    "rmsprop_momentum": (
        "rmsprop",
        {"momentum": 0.9, "alpha": 0.95},
        torch.optim.RMSprop,
        {"momentum": 0.9, "alpha": 0.95},
    ),
    "adafactor": ("adafactor", {}, Adafactor, {"scale_parameter": False, "relative_step": False}),
    "adopt": ("adopt", {}, adopt, ADAM),
    "stable_adamw": ("stable_adamw", {}, optimi.StableAdamW, {**ADAM, "triton": False, "foreach": False}),
    "schedule_free_adamw": (
        "schedule_free_adamw",
        {},
        schedulefree.AdamWScheduleFree,
        {**ADAM, "warmup_steps": 5, "foreach": False},
    ),
    "muon": ("muon", {}, muon, {}),
}


def run(make, settings):
    parameters = {name: torch.nn.Parameter(start(i, shape)) for i, (name, shape) in enumerate(SHAPES.items())}
    groups = [
        {"params": [parameter], "weight_decay": WEIGHT_DECAY if parameter.ndim == 2 else 0.0}
        for parameter in parameters.values()
    ]
    made = make(groups, lr=RATE, **settings)
    optimizers = made if isinstance(made, list) else [made]
    kept = {}
    for step in range(STEPS):
        for i, parameter in enumerate(parameters.values()):
            parameter.grad = gradient(i, parameter.shape, step)
        for optimizer in optimizers:
            if hasattr(optimizer, "train"):
                optimizer.train()
            for group in optimizer.param_groups:
                group["lr"] = rate(step)
            optimizer.step()
        if step + 1 in KEPT:
            for optimizer in optimizers:
                if hasattr(optimizer, "eval"):
                    optimizer.eval()
            for name, parameter in parameters.items():
                kept[f"{name}.{step + 1}"] = parameter.detach().clone().contiguous()
    return kept


def main():
    torch.set_num_threads(1)
    manifest_file = HERE / "cases.json"
    if len(sys.argv) > 2:  # called by run_unfused
        name = sys.argv[2]
        use_codes(json.loads(manifest_file.read_text())["codes"])
        return save_file(run(*CASES[name][2:]), HERE / f"{name}.safetensors")
    manifest = {
        "steps": STEPS,
        "kept": list(KEPT),
        "rates": [rate(step) for step in range(STEPS)],
        "weight_decay": WEIGHT_DECAY,
        "codes": {
            name: bitsandbytes.functional.create_dynamic_map(signed=name == "signed").tolist()
            for name in ("signed", "unsigned")
        },
        "shapes": {name: list(shape) for name, shape in SHAPES.items()},
        "cases": {},
    }
    for name, (kind, args, _, settings) in CASES.items():
        beta1, beta2 = settings.get("betas", (0.9, 0.999))
        manifest["cases"][name] = {
            "kind": kind,
            "args": args,
            "beta1": beta1,
            "beta2": beta2,
            "warmup_steps": settings.get("warmup_steps", 0),
        }
    manifest_file.write_text(json.dumps(manifest) + "\n")
    for name, (_, _, make, settings) in CASES.items():
        if name.endswith("8bit"):
            run_unfused(name)
        else:
            save_file(run(make, settings), HERE / f"{name}.safetensors")


if __name__ == "__main__":
    main()
