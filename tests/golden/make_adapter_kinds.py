"""Writes adapters/*: 30 steps of every kind of LoRA that PEFT has and Eft trains, and of ReLoRA. README.md says more.

Usage: python make_adapter_kinds.py [NAME...]
The batches are those of run-{llama,qwen2}-lora, one micro batch to a step.
"""

import json
import shutil
import sys
import warnings

import torch
import torch.nn.functional as F

from common import load_model, logits_of, write_json, write_tensors
from make_goldens import ALL_LINEAR, HERE, IGNORED, parameter_groups

import transformers
from peft import LoraConfig, get_peft_model

STEPS, WARMUP, RATE, DECAY = 30, 5, 5e-3, 0.01

KINDS = {
    "gaussian": ("llama", {"init_lora_weights": "gaussian", "target_modules": "all-linear"}),
    "rslora": (
        "llama",
        {
            "use_rslora": True,
            "target_modules": r".*\.(q_proj|v_proj|down_proj)",
            "rank_pattern": {"v_proj": 2, r"layers\.1\.mlp\.down_proj": 6},
            "alpha_pattern": {"v_proj": 3},
        },
    ),
    "layers": (
        "llama",
        {
            "target_modules": ["q_proj", "k_proj", "up_proj"],
            "exclude_modules": ["k_proj"],
            "layers_to_transform": [1],
            "layers_pattern": ["layers"],
        },
    ),
    "dora": ("qwen2", {"use_dora": True, "target_modules": ALL_LINEAR}),
    "embeddings": ("llama", {"target_modules": ["q_proj", "v_proj", "embed_tokens", "lm_head"]}),
    "modules": (
        "llama",
        {"target_modules": ["q_proj", "v_proj"], "modules_to_save": ["embed_tokens", "lm_head", "input_layernorm"]},
    ),
    "modules-tied": ("qwen2", {"target_modules": ["q_proj", "v_proj"], "modules_to_save": ["embed_tokens"]}),
    "tokens": ("llama", {"target_modules": ["q_proj", "v_proj"], "trainable_token_indices": [5, 17, 200]}),
    "tokens-tied": ("qwen2", {"target_modules": ["q_proj", "v_proj"], "trainable_token_indices": [7, 30, 31, 250]}),
    "pissa": ("llama", {"init_lora_weights": "pissa", "target_modules": ["q_proj", "down_proj"]}),
    "pissa-niter": ("llama", {"init_lora_weights": "pissa_niter_16", "target_modules": ["q_proj", "down_proj"]}),
    "olora": ("llama", {"init_lora_weights": "olora", "target_modules": ["q_proj", "down_proj"]}),
}  # fmt: skip


def fresh(name):
    path = HERE / "adapters" / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def batches_of(base):
    content = json.loads((HERE / f"run-{base}-lora" / "batches.json").read_text())
    return [(torch.tensor(b["input_ids"]), torch.tensor(b["labels"])[:, 1:]) for b in content["micro_batches"][:STEPS]]


def train(model, base, before_step=lambda step, optimizer: None, factor=lambda step: 1.0, eps=1e-8):
    model.train()
    groups = parameter_groups(model, DECAY)
    trained = [p for group in groups for p in group["params"]]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=eps)
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, WARMUP, STEPS)
    losses, norms, rates = [], [], []
    for step, (ids, shifted) in enumerate(batches_of(base)):
        before_step(step, optimizer)
        rate = schedule.get_last_lr()[0] * factor(step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
        loss = F.cross_entropy(logits.flatten(0, 1), shifted.flatten(), ignore_index=IGNORED)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trained, 1.0).item())
        rates.append(rate)
        losses.append(loss.item())
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return {"losses": losses, "grad_norms": norms, "learning_rates": rates}


def tidy(folder):
    (folder / "README.md").unlink()
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    for key in ("target_modules", "modules_to_save", "exclude_modules"):
        if isinstance(config[key], list):
            config[key].sort()
    path.write_text(json.dumps(config, indent=2) + "\n")


def adapted(base, lora, seed):
    model = load_model(HERE / f"base-{base}")
    model.name_or_path = f"base-{base}"  # no path of this machine
    torch.manual_seed(seed)
    return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **lora))


def make_kind(name):
    base, options = KINDS[name]
    folder = fresh(name)
    lora = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "bias": "none"} | options
    model = adapted(base, lora, 301)
    converted = str(options.get("init_lora_weights", "")).startswith(("pissa", "olora"))
    model.save_pretrained(folder / "initial", save_embedding_layers=False)
    run = train(model, base)
    # The conversion rewrites the configuration that it is given, so the plain files come first.
    model.save_pretrained(folder / "final")
    tidy(folder / "initial")
    tidy(folder / "final")
    ids = batches_of(base)[0][0]
    logits = logits_of(model.eval(), ids)
    merged = logits_of(model.merge_and_unload(), ids)
    write_tensors(folder / "logits.safetensors", input_ids=ids, logits=logits)
    write_json(folder / "losses.json", run | {"base": base, "lora": lora, "converted": converted})
    print(f"{name}: {run['losses'][0]:.4f} -> {run['losses'][-1]:.4f}, merging changes logits by {(logits - merged).abs().max():.1e}")


# ReLoRA: written from its description (shared with src/adapter/relora.ts), not from Axolotl's code.

RESTART, RESTART_WARMUP = 10, 3


def make_relora(name, prune):
    """Every RESTART steps: W += s·BA, A drawn anew (kept in restart-N.safetensors), B = 0, moments pruned."""
    base, folder = "llama", fresh(name)
    lora = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "bias": "none", "target_modules": ALL_LINEAR}
    model = adapted(base, lora, 302)
    model.save_pretrained(folder / "initial", save_embedding_layers=False)
    tidy(folder / "initial")
    layers = {n: m for n, m in model.named_modules() if hasattr(m, "lora_A") and len(m.lora_A)}

    @torch.no_grad()
    def merge():
        for layer in layers.values():
            layer.base_layer.weight += 2.0 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight

    @torch.no_grad()
    def restart(step, optimizer):
        if step == 0 or step % RESTART != 0:
            return
        merge()
        drawn = {}
        for n, layer in layers.items():
            a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
            a.copy_((torch.rand(a.shape) * 2 - 1) / a.shape[1] ** 0.5)
            b.zero_()
            drawn[f"{n}.lora_A.weight"] = a.clone()
            for p in (a, b):
                state = optimizer.state[p]
                if prune == "zero":
                    for value in state.values():
                        value.zero_()
                else:
                    for key in ("exp_avg", "exp_avg_sq"):
                        size = state[key].abs()
                        state[key][size <= torch.quantile(size.flatten(), 0.9)] = 0
        write_tensors(folder / f"restart-{step // RESTART}.safetensors", **drawn)

    def factor(step):
        return 1.0 if step < RESTART else min(1.0, step % RESTART / RESTART_WARMUP) * (1 - 0.001) + 0.001

    # Where a second moment was pruned and its first was not, an update is m / eps: with a small eps, rounding decides.
    eps = 1e-8 if prune == "zero" else 1e-3
    run = train(model, base, restart, factor, eps) | {"eps": eps}
    merge()
    final = {n.removeprefix("base_model.model.") + ".weight": m.base_layer.weight.clone() for n, m in layers.items()}
    write_tensors(folder / "final.safetensors", **final)
    write_json(folder / "losses.json", run | {"base": base, "restart": RESTART, "warmup": RESTART_WARMUP, "prune": prune})
    print(f"{name}: {run['losses'][0]:.4f} -> {run['losses'][-1]:.4f}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    names = sys.argv[1:] or [*KINDS, "relora", "relora-zero"]
    for name in names:
        if name in KINDS:
            make_kind(name)
        else:
            make_relora(name, "zero" if name == "relora-zero" else "magnitude")
