"""Training runs over quantized bases: 30 optimizer steps of PyTorch + PEFT in float32, where every linear layer of the
blocks holds the values that its quantized form stands for. Also the bases themselves: as bitsandbytes saves
them, and a GPTQ and an AWQ checkpoint packed here with NumPy from the documented formulas. README.md says what is what.

Usage: python make_runs.py
"""

import json
import shutil
import sys
from pathlib import Path

import bitsandbytes.functional as bnb
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import make_goldens as goldens  # noqa: E402
from common import load_model, write_json  # noqa: E402
from double_quantization import nested_values  # noqa: E402
from peft import PeftModel  # noqa: E402
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM  # noqa: E402

goldens.STEPS, goldens.MICRO_BATCHES = 30, 60
BASE = HERE.parent / "base-llama"


def fresh(name):
    path = HERE / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path


def linear_layers(model):
    return {name: m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and name != "lm_head"}


def nf4(weight):
    """The value of NF4 with double quantization."""
    codes, state = bnb.quantize_4bit(weight, quant_type="nf4")
    state.absmax = nested_values(state.absmax)
    return bnb.dequantize_4bit(codes, state)


def int8(weight):
    codes, maxima, _ = bnb.int8_vectorwise_quant(weight.half())
    return bnb.int8_vectorwise_dequant(codes, maxima.float())


def train(name, model):
    """The batches and the start of run-llama-lora on a model whose weights are already what they stand for."""
    folder = fresh(name)
    batches = json.loads((HERE.parent / "run-llama-lora" / "batches.json").read_text())["micro_batches"]
    settings = json.loads((HERE.parent / "run-llama-lora" / "losses.json").read_text())["settings"]
    settings["steps"] = goldens.STEPS
    model = PeftModel.from_pretrained(model, HERE.parent / "run-llama-lora" / "initial", is_trainable=True)
    losses, norms, rates = goldens.train(model, batches[: goldens.MICRO_BATCHES], settings)
    goldens.save_adapter(model, folder / "final")
    write_json(folder / "losses.json", {"losses": losses, "grad_norms": norms, "learning_rates": rates})
    print(f"{name}: loss {losses[0]:.4f} -> {losses[-1]:.4f}")


def saved_by_bitsandbytes(name, config):
    model = AutoModelForCausalLM.from_pretrained(BASE, quantization_config=config, dtype=torch.float32)
    folder = fresh(name)
    model.save_pretrained(folder)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(str(BASE).encode(), b"base-llama"))


# GPTQ and AWQ


def pack(codes, bits):
    """Codes [rows, columns] into words along the rows, low bits first, as one stream: [rows·bits/32, columns]."""
    rows, columns = codes.shape
    stream = (codes[:, None, :] >> np.arange(bits)[None, :, None]) & 1  # [rows, bits, columns]
    stream = stream.reshape(rows * bits // 32, 32, columns).astype(np.uint64)
    return (stream << np.arange(32, dtype=np.uint64)[None, :, None]).sum(axis=1).astype(np.uint32).view(np.int32)


def grouped(weight, bits, size, ordered, symmetric, seed):
    """weight [N, K] -> codes [K, N], scales [G, N] in f16, zeros [G, N], g_idx [K]. Round to nearest; when `ordered`, the
    groups are drawn from a shuffled order of the inputs, as act-order makes them."""
    N, K = weight.shape
    size = K if size == -1 else size
    groups = -(-K // size)
    g_idx = np.arange(K) // size
    if ordered:
        g_idx = np.random.default_rng(seed).permutation(g_idx)
    top = 2**bits - 1
    scales, zeros = np.zeros((groups, N), np.float16), np.zeros((groups, N), np.int64)
    for g in range(groups):
        part = weight[:, g_idx == g]
        low, high = np.minimum(part.min(1), 0), np.maximum(part.max(1), 0)
        if symmetric:
            high = np.maximum(-low, high)
            low = -high
        scales[g] = ((high - low) / top + 1e-6).astype(np.float16)
        zeros[g] = 2 ** (bits - 1) if symmetric else np.rint(-low / scales[g].astype(np.float32))
    s, z = scales[g_idx].astype(np.float32), zeros[g_idx]
    codes = np.clip(np.rint(weight.T / s) + z, 0, top).astype(np.int64)
    values = (codes - z).astype(np.float32) * s
    return codes, scales, zeros, g_idx.astype(np.int32), values.T.copy()


def gptq_tensors(weight, bits, size, ordered, symmetric, version, seed=0):
    codes, scales, zeros, g_idx, values = grouped(weight, bits, size, ordered, symmetric, seed)
    stored = (zeros - (1 if version == 1 else 0)) & (2**bits - 1)
    tensors = {
        "qweight": pack(codes, bits),
        "qzeros": pack(stored.T, bits).T.copy(),
        "scales": scales,
        "g_idx": g_idx,
    }
    return {name: torch.from_numpy(value) for name, value in tensors.items()}, torch.from_numpy(values)


def awq_tensors(weight, size, seed=0):
    codes, scales, zeros, _, values = grouped(weight, 4, size, False, False, seed)

    def pack_eights(matrix):
        order = [0, 2, 4, 6, 1, 3, 5, 7]
        out = np.zeros((matrix.shape[0], matrix.shape[1] // 8), np.uint32)
        for i, column in enumerate(order):
            out |= (matrix[:, column::8] << (4 * i)).astype(np.uint32)
        return out.view(np.int32)

    tensors = {"qweight": pack_eights(codes), "qzeros": pack_eights(zeros), "scales": scales}
    return {name: torch.from_numpy(value) for name, value in tensors.items()}, torch.from_numpy(values)


def unpacking_cases():
    """Small weights in every kind of GPTQ and in AWQ, with the values they stand for."""
    tensors = {}
    torch.manual_seed(5)
    weight = (torch.randn(32, 128) * 0.1).numpy()
    for bits in (2, 3, 4, 8):
        for size in (-1, 32, 64, 128):
            for ordered, symmetric, version in ((0, 0, 1), (1, 1, 1), (1, 0, 2)):
                label = f"gptq.{bits}.{size}.{ordered}.{symmetric}.{version}"
                parts, values = gptq_tensors(weight, bits, size, ordered, symmetric, version, bits)
                for part, value in parts.items():
                    tensors[f"{label}.{part}"] = value
                tensors[f"{label}.values"] = values
    for size in (-1, 32, 64, 128):
        parts, values = awq_tensors(weight, size)
        for part, value in parts.items():
            tensors[f"awq.{size}.{part}"] = value
        tensors[f"awq.{size}.values"] = values
    save_file({name: value.contiguous() for name, value in tensors.items()}, HERE / "unpacking.safetensors")


def quantized_base(name, quantize, settings):
    """A checkpoint whose linear layers are replaced; returns the model that holds their values."""
    config = LlamaConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4, intermediate_size=160,
        vocab_size=260, tie_word_embeddings=False, rms_norm_eps=1e-5, max_position_embeddings=128,
        initializer_range=0.08, rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )  # fmt: skip
    model = goldens.random_model(LlamaForCausalLM, config, 4)
    folder = fresh(name)
    model.save_pretrained(folder)
    tensors = load_file(folder / "model.safetensors")
    for path, layer in linear_layers(model).items():
        parts, values = quantize(tensors.pop(f"{path}.weight").numpy())
        tensors.update({f"{path}.{part}": value.contiguous() for part, value in parts.items()})
        layer.weight.data.copy_(values)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    text = json.loads((folder / "config.json").read_text())
    if "quant_method" in settings:
        text["quantization_config"] = settings
    else:
        (folder / "quantize_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (folder / "config.json").write_text(json.dumps(text, indent=2) + "\n")
    return model


def train_fresh(name, model):
    """A run whose adapter starts here, since run-llama-lora has other shapes."""
    from peft import LoraConfig, get_peft_model

    folder = fresh(name)
    settings = json.loads((HERE.parent / "run-llama-lora" / "losses.json").read_text())["settings"]
    batches = json.loads((HERE.parent / "run-llama-lora" / "batches.json").read_text())["micro_batches"]
    model.name_or_path = name
    torch.manual_seed(3)
    model = get_peft_model(model.eval(), LoraConfig(task_type="CAUSAL_LM", **settings["lora"]))
    goldens.save_adapter(model, folder / "initial")
    losses, norms, rates = goldens.train(model, batches[: goldens.MICRO_BATCHES], settings)
    goldens.save_adapter(model, folder / "final")
    write_json(folder / "losses.json", {"losses": losses, "grad_norms": norms, "learning_rates": rates})
    print(f"{name}: loss {losses[0]:.4f} -> {losses[-1]:.4f}")


def main():
    for name, values in {"run-nf4": nf4, "run-int8": int8}.items():
        model = load_model(BASE)
        with torch.no_grad():
            for layer in linear_layers(model).values():
                layer.weight.copy_(values(layer.weight))
        train(name, model)
    saved_by_bitsandbytes(
        "base-bnb-nf4",
        BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True),
    )
    saved_by_bitsandbytes("base-bnb-fp4", BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="fp4"))
    saved_by_bitsandbytes("base-bnb-int8", BitsAndBytesConfig(load_in_8bit=True))
    unpacking_cases()
    gptq = {"bits": 4, "group_size": 32, "desc_act": True, "sym": False}
    train_fresh(
        "run-gptq",
        quantized_base("base-gptq", lambda w: gptq_tensors(w, 4, 32, True, False, 1), gptq),
    )
    awq = {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True, "version": "gemm"}
    train_fresh("run-awq", quantized_base("base-awq", lambda w: awq_tensors(w, 32), awq))


if __name__ == "__main__":
    main()
