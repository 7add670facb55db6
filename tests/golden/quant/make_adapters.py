"""30 steps of kinds of adapters over quantized bases, by PyTorch + PEFT + bitsandbytes on the CPU in float32. README.md
says more.

Usage: python make_adapters.py [NAME...]
The batches and the loop are those of ../make_adapter_kinds.py. NF4 runs are PEFT's own over bitsandbytes' layers; 8-bit
ones are over the values that the codes stand for, since bitsandbytes' own layers round activations too.
"""

import inspect
import shutil
import sys
import warnings
from pathlib import Path

import bitsandbytes.functional as bnb
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import make_adapter_kinds as kinds  # noqa: E402
import peft.tuners.lora.layer as layer  # noqa: E402
import peft.utils.loftq_utils as loftq_utils  # noqa: E402
from common import load_model, logits_of, write_json, write_tensors  # noqa: E402
from make_goldens import ALL_LINEAR  # noqa: E402
from make_runs import int8, linear_layers, nf4  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM, BitsAndBytesConfig  # noqa: E402

BASE = HERE.parent / "base-llama"
SOME = ["q_proj", "down_proj"]

KINDS = {
    "dora-nf4": ("nf4", {"use_dora": True, "target_modules": ALL_LINEAR}),
    "dora-int8": ("int8", {"use_dora": True, "target_modules": SOME}),
    "olora-nf4": ("nf4", {"init_lora_weights": "olora", "target_modules": SOME}),
    "loftq": (None, {"init_lora_weights": "loftq", "loftq_config": {"loftq_bits": 4, "loftq_iter": 1}, "target_modules": SOME}),
    "loftq-turns": (None, {"init_lora_weights": "loftq", "loftq_config": {"loftq_bits": 4, "loftq_iter": 3}, "target_modules": SOME}),
    "loftq-int8": (None, {"init_lora_weights": "loftq", "loftq_config": {"loftq_bits": 8, "loftq_iter": 1}, "target_modules": SOME}),
}  # fmt: skip


def loftq_on_cpu():
    """PEFT computes LoftQ on a GPU only; its function reads the same on the CPU."""
    source = inspect.getsource(loftq_utils.loftq_init).replace('"cuda"', '"cpu"')
    exec(source, vars(loftq_utils))  # noqa: S102
    layer.loftq_init = loftq_utils.loftq_init


def base_model(held):
    """base-llama in float32: as it is, in bitsandbytes' NF4 layers, or with the values of 8-bit codes."""
    if held == "nf4":
        config = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
        )
        return AutoModelForCausalLM.from_pretrained(
            BASE, quantization_config=config, dtype=torch.float32, attn_implementation="eager"
        ).eval()
    model = load_model(BASE)
    if held == "int8":
        with torch.no_grad():
            for module in linear_layers(model).values():
                module.weight.copy_(int8(module.weight))
    return model


def fresh(name):
    path = HERE / "adapters" / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def adapted(held, lora, seed):
    model = base_model(held)
    model.name_or_path = "base-llama"  # no path of this machine
    torch.manual_seed(seed)
    return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **lora))


def make_kind(name):
    held, options = KINDS[name]
    folder = fresh(name)
    lora = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "bias": "none"} | options
    model = adapted(held, dict(lora), 401)
    model.save_pretrained(folder / "initial", save_embedding_layers=False)
    run = kinds.train(model, "llama")
    model.save_pretrained(folder / "final")
    kinds.tidy(folder / "initial")
    kinds.tidy(folder / "final")
    ids = kinds.batches_of("llama")[0][0]
    logits = logits_of(model, ids)  # not in eval mode, where bitsandbytes packs weights for kernels of large matrices
    write_tensors(folder / "logits.safetensors", input_ids=ids, logits=logits)
    write_json(folder / "losses.json", run | {"base": "llama", "lora": lora, "held": held})
    print(f"{name}: {run['losses'][0]:.4f} -> {run['losses'][-1]:.4f}")


def make_relora(name, held):
    """Every RESTART steps: D += s·BA and W = Q(W0 + D) with bitsandbytes' quantizing; A anew, B = 0, moments cleared."""
    folder = fresh(name)
    lora = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "bias": "none", "target_modules": SOME}
    model = load_model(BASE)
    rounded = {"nf4": nf4, "int8": int8}[held]
    kept = {}  # in full precision
    with torch.no_grad():
        for n, module in linear_layers(model).items():
            kept[n] = module.weight.clone()
            module.weight.copy_(rounded(module.weight))
    model.name_or_path = "base-llama"
    torch.manual_seed(402)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **lora))
    model.save_pretrained(folder / "initial", save_embedding_layers=False)
    kinds.tidy(folder / "initial")
    prefix = "base_model.model."
    modules = {
        n.removeprefix(prefix): m for n, m in model.named_modules() if hasattr(m, "lora_A") and len(m.lora_A)
    }

    def merged(n, module):
        return kept[n] + 2.0 * module.lora_B["default"].weight @ module.lora_A["default"].weight

    @torch.no_grad()
    def restart(step, optimizer):
        if step == 0 or step % kinds.RESTART != 0:
            return
        written = {}
        for n, module in modules.items():
            kept[n] = merged(n, module)
            module.base_layer.weight.copy_(rounded(kept[n]))
            a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
            a.copy_((torch.rand(a.shape) * 2 - 1) / a.shape[1] ** 0.5)
            b.zero_()
            written[f"{prefix}{n}.lora_A.weight"] = a.clone()
            written[f"{n}.weight"] = module.base_layer.weight.clone()
            for p in (a, b):
                for value in optimizer.state[p].values():
                    value.zero_()
        write_tensors(folder / f"restart-{step // kinds.RESTART}.safetensors", **written)

    run = kinds.train(model, "llama", restart)
    with torch.no_grad():
        final = {f"{n}.weight": merged(n, m) for n, m in modules.items()}
    write_tensors(folder / "final.safetensors", **final)
    write_json(folder / "losses.json", run | {"base": "llama", "restart": kinds.RESTART, "held": held})
    print(f"{name}: {run['losses'][0]:.4f} -> {run['losses'][-1]:.4f}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    loftq_on_cpu()
    for name in sys.argv[1:] or [*KINDS, "relora-nf4", "relora-int8"]:
        if name in KINDS:
            make_kind(name)
        else:
            make_relora(name, name.removeprefix("relora-"))
