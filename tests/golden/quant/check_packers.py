"""Compares the NumPy packing of make_runs.py with the packers of GPTQModel and AutoAWQ, taken from their sources:

    pip install --no-deps --target packers gptqmodel==7.7.0 autoawq==0.2.9
    python check_packers.py packers

Only the packing functions are run; the packages need a GPU stack to be imported whole.
"""

import ast
import math
import sys
import types
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
import transformers

import make_runs

PACKERS = Path(sys.argv[1])


def function(path, name, names, owner=None):
    """A function of a source file, compiled in a namespace of our own."""
    tree = ast.parse((PACKERS / path).read_text())
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name]
    node = found[0] if owner is None else next(
        f for c in ast.walk(tree) if isinstance(c, ast.ClassDef) and c.name == owner for f in c.body
        if isinstance(f, ast.FunctionDef) and f.name == name
    )  # fmt: skip
    node.decorator_list = []
    exec(compile(ast.Module([node], []), path, "exec"), names)  # noqa: S102
    return names[name]


def same(ours, theirs, label):
    for name, value in theirs.items():
        assert torch.equal(ours[name].to(value.dtype), value), f"{label} {name}"


torch.manual_seed(0)
weight = torch.randn(32, 128) * 0.1
linear = torch.nn.Linear(128, 32, bias=False)

pack = function("gptqmodel/nn_modules/qlinear/__init__.py", "pack_original", {
    "t": torch, "torch": torch, "nn": torch.nn, "np": np, "math": math, "transformers": transformers,
    "_ConvNd": torch.nn.modules.conv._ConvNd,
    "THREADPOOLCTL": types.SimpleNamespace(threadpool_limits=lambda _: nullcontext()),
})  # fmt: skip
count = 0
for bits in (2, 3, 4, 8):
    for size in (-1, 32, 64, 128):
        for ordered in (False, True):
            codes, scales, zeros, g_idx, values = make_runs.grouped(weight.numpy(), bits, size, ordered, False, bits)
            ours, _ = make_runs.gptq_tensors(weight.numpy(), bits, size, ordered, False, 2, bits)
            module = torch.nn.Module()
            module.bits, module.maxq, module.planar = bits, 2**bits - 1, False
            module.pack_factor, module.pack_dtype_bits, module.pack_dtype = 32 // bits, 32, torch.int32
            module.pack_np_math_dtype, module.pack_np_dtype = np.uint32, np.int32
            linear.weight.data = torch.from_numpy(values).clone()
            s, z = torch.from_numpy(scales).float(), torch.from_numpy(zeros).float()
            pack(module, linear, s.T.contiguous(), z.T.contiguous(), torch.from_numpy(g_idx))
            theirs = {name: getattr(module, name) for name in ("qweight", "qzeros", "scales", "g_idx")}
            same(ours, theirs, f"GPTQ {bits} bits, groups of {size}")
            count += 1
print(f"GPTQModel packs {count} weights as we do")

from_linear = function("awq/modules/linear/gemm.py", "from_linear", {"torch": torch, "get_best_device": lambda: "cpu"})
for size in (32, 64, 128):
    _, scales, zeros, _, values = make_runs.grouped(weight.numpy(), 4, size, False, False, 0)
    ours, _ = make_runs.awq_tensors(weight.numpy(), size)
    linear.weight.data = torch.from_numpy(values).clone()

    def made(w_bit, group_size, *_):
        return types.SimpleNamespace(w_bit=w_bit, group_size=group_size, in_features=128)

    module = from_linear(made, linear, 4, size, scales=torch.from_numpy(scales).float(), zeros=torch.from_numpy(zeros))
    theirs = {name: getattr(module, name) for name in ("qweight", "qzeros", "scales")}
    same(ours, theirs, f"AWQ, groups of {size}")
print("AutoAWQ packs as we do")
