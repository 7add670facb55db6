"""Writes what half precision does in PyTorch, to compare Eft's with.

NAME.json         the losses and gradient norms of the run ../run-NAME under autocast to float16 with a GradScaler,
                  and the largest relative difference of a loss from that run in float32
grad_scaler.json  the scales of a GradScaler over steps of which some overflow

Usage: python make_half.py      (needs ../requirements.txt; about a minute)
"""

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import transformers  # noqa: E402
from peft import PeftModel  # noqa: E402

from common import load_model, write_json  # noqa: E402
from make_goldens import ACCUMULATION, IGNORED, parameter_groups  # noqa: E402


def make_run(name):
    run = HERE.parent / f"run-{name}"
    exact = json.loads((run / "losses.json").read_text())
    settings = exact["settings"]
    micro_batches = json.loads((run / "batches.json").read_text())["micro_batches"]
    model = load_model(HERE.parent / settings["base"])
    if settings["method"] == "lora":
        model = PeftModel.from_pretrained(model, run / "initial", is_trainable=True)
    model.train()
    groups = parameter_groups(model, settings["weight_decay"])
    trained = [p for group in groups for p in group["params"]]
    optimizer = torch.optim.AdamW(groups, lr=settings["learning_rate"], betas=settings["betas"], eps=settings["eps"])
    scaler = torch.amp.GradScaler("cpu")
    losses, grad_norms = [], []
    for step, rate in enumerate(exact["learning_rates"]):
        for group in optimizer.param_groups:
            group["lr"] = rate
        batches = [
            (torch.tensor(batch["input_ids"]), torch.tensor(batch["labels"])[:, 1:])
            for batch in micro_batches[ACCUMULATION * step : ACCUMULATION * (step + 1)]
        ]
        targets = sum(int((shifted != IGNORED).sum()) for _, shifted in batches)
        loss = 0.0
        for ids, shifted in batches:
            with torch.autocast("cpu", torch.float16):
                logits = model(input_ids=ids, use_cache=False).logits[:, :-1].float()
            part = F.cross_entropy(logits.flatten(0, 1), shifted.flatten(), ignore_index=IGNORED, reduction="sum")
            part = part / targets
            scaler.scale(part).backward()
            loss += part.item()
        scaler.unscale_(optimizer)
        grad_norms.append(torch.nn.utils.clip_grad_norm_(trained, settings["max_grad_norm"]).item())
        losses.append(loss)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    band = max(abs(a / b - 1) for a, b in zip(losses, exact["losses"]))
    write_json(HERE / f"{name}.json", {"losses": losses, "grad_norms": grad_norms, "band": band})
    print(f"{name}: band {band:.2e}, scale {scaler.get_scale()}")


def make_scaler():
    """Scales before each step, and which steps have a gradient that is not finite."""
    interval, overflows = 3, [0, 1, 5, 12, 13, 14, 20]
    weight = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", growth_interval=interval)
    scales, weights = [], []
    for step in range(24):
        scales.append(scaler.get_scale())
        gradient = torch.tensor([0.25, -0.5, float("inf") if step in overflows else 1.0])
        scaler.scale((weight * gradient).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        weights.append(weight.tolist())
    values = {"interval": interval, "overflows": overflows, "scales": scales, "weights": weights}
    write_json(HERE / "grad_scaler.json", values)


if __name__ == "__main__":
    transformers.set_seed(0)
    make_scaler()
    for base in ("llama", "qwen2"):
        for method in ("lora", "full"):
            make_run(f"{base}-{method}")
