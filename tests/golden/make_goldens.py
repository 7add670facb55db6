"""Writes every golden file of this folder with PyTorch, transformers and PEFT. README.md says what each one is.

Usage: python make_goldens.py
All randomness comes from seeds given here; the files differ between machines only by float32 rounding.
"""

import copy
import json
import math
import random
import shutil
from pathlib import Path

import torch
import torch.nn.functional as F

from common import load_model, logits_of, write_json, write_tensors

import transformers
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

HERE = Path(__file__).parent
IGNORED = -100  # the label of a position that is not trained

MICRO_BATCHES, ROWS, TOKENS = 100, 2, 48
ACCUMULATION = 2
STEPS = MICRO_BATCHES // ACCUMULATION
WARMUP = 5
PAD = 0
ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def fresh(folder):
    """An empty folder with this name beside this script."""
    path = HERE / folder
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def random_model(model_class, config, seed):
    """A model whose norms and biases do something: transformers starts them at exactly 1 and 0."""
    torch.manual_seed(seed)
    model = model_class(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.copy_(1 + 0.2 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.copy_(0.2 * torch.randn_like(parameter))
    return model


# Training runs


def make_bases():
    llama = LlamaConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4, intermediate_size=172,
        vocab_size=260, tie_word_embeddings=False, rms_norm_eps=1e-5, max_position_embeddings=128,
        initializer_range=0.08, rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )  # fmt: skip
    random_model(LlamaForCausalLM, llama, 1).save_pretrained(fresh("base-llama"))
    qwen2 = Qwen2Config(
        hidden_size=48, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2, intermediate_size=100,
        vocab_size=300, tie_word_embeddings=True, rms_norm_eps=1e-6, max_position_embeddings=128,
        initializer_range=0.08, rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )  # fmt: skip
    random_model(Qwen2ForCausalLM, qwen2, 2).save_pretrained(fresh("base-qwen2"))


def make_micro_batches(vocab_size, seed):
    """Rows that repeat one of six patterns with 5% of wrong tokens, behind an untrained prompt; a third is padded."""
    rng = random.Random(seed)
    patterns = [[rng.randrange(3, vocab_size) for _ in range(rng.randint(5, 11))] for _ in range(6)]

    def row():
        pattern, phase = rng.choice(patterns), rng.randrange(11)
        length = rng.randint(TOKENS // 2, TOKENS - 1) if rng.random() < 1 / 3 else TOKENS
        prompt = rng.randint(0, 16)
        ids = [pattern[(phase + i) % len(pattern)] for i in range(length)]
        ids = [rng.randrange(3, vocab_size) if rng.random() < 0.05 else token for token in ids]
        padding = TOKENS - length
        labels = [IGNORED] * prompt + ids[prompt:] + [IGNORED] * padding
        return ids + [PAD] * padding, labels

    micro_batches = []
    for _ in range(MICRO_BATCHES):
        ids, labels = zip(*(row() for _ in range(ROWS)))
        micro_batches.append({"input_ids": list(ids), "labels": list(labels)})
    return micro_batches


def parameter_groups(model, weight_decay):
    """The two groups of the Trainer: it decides by name, so LoRA matrices and embeddings decay, norms and biases do not."""
    decayed = set(transformers.Trainer.get_decay_parameter_names(None, model))
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    return [
        {"params": [p for name, p in trained if name in decayed], "weight_decay": weight_decay},
        {"params": [p for name, p in trained if name not in decayed], "weight_decay": 0.0},
    ]


def train(model, micro_batches, settings):
    """50 optimizer steps in place. A step's loss and gradient are sums over its micro batches divided by all their
    trained targets. Returns loss, gradient norm before clipping and learning rate of each step."""
    model.train()
    groups = parameter_groups(model, settings["weight_decay"])
    trained = [p for group in groups for p in group["params"]]
    optimizer = torch.optim.AdamW(groups, lr=settings["learning_rate"], betas=settings["betas"], eps=settings["eps"])
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, WARMUP, STEPS)
    losses, grad_norms, learning_rates = [], [], []
    for start in range(0, MICRO_BATCHES, ACCUMULATION):
        batches = [
            (torch.tensor(batch["input_ids"]), torch.tensor(batch["labels"])[:, 1:])
            for batch in micro_batches[start : start + ACCUMULATION]
        ]
        targets = sum(int((shifted != IGNORED).sum()) for _, shifted in batches)
        loss = 0.0
        for ids, shifted in batches:
            logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
            part = F.cross_entropy(logits.flatten(0, 1), shifted.flatten(), ignore_index=IGNORED, reduction="sum")
            part = part / targets
            part.backward()
            loss += part.item()
        grad_norms.append(torch.nn.utils.clip_grad_norm_(trained, settings["max_grad_norm"]).item())
        learning_rates.append(schedule.get_last_lr()[0])
        losses.append(loss)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return losses, grad_norms, learning_rates


def make_run(architecture, method, batch_seed):
    base = f"base-{architecture}"
    folder = fresh(f"run-{architecture}-{method}")
    settings = {
        "base": base,
        "method": method,
        "steps": STEPS,
        "gradient_accumulation": ACCUMULATION,
        "optimizer": "adamw",
        "learning_rate": 5e-3 if method == "lora" else 1e-3,
        "betas": [0.9, 0.999],
        "eps": 1e-8,
        "weight_decay": 0.01,
        "max_grad_norm": 1.0,
        "schedule": "cosine",
        "warmup_steps": WARMUP,
    }
    model = load_model(HERE / base)
    micro_batches = make_micro_batches(model.config.vocab_size, batch_seed)
    write_json(folder / "batches.json", {"micro_batches": micro_batches})

    if method == "lora":
        settings["lora"] = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": ALL_LINEAR, "bias": "none"}
        model.name_or_path = base  # what PEFT writes as base_model_name_or_path: no path of this machine
        torch.manual_seed(batch_seed)
        model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings["lora"]))
        save_adapter(model, folder / "initial")

    # How much rounding alone moves this run: the same in float64, except for what transformers computes in float32
    # whatever the weights are (RMSNorm, rotary angles, softmax). A tolerance has to be well above these largest differences.
    precise = copy.deepcopy(model).double()
    precise_losses, precise_norms, _ = train(precise, micro_batches, settings)
    losses, grad_norms, learning_rates = train(model, micro_batches, settings)
    pairs = zip(model.parameters(), precise.parameters())
    rounding = {
        "losses": max(abs(a - b) for a, b in zip(losses, precise_losses)),
        "grad_norms": max(abs(a - b) for a, b in zip(grad_norms, precise_norms)),
        "final_parameters": max((a.double() - b).abs().max().item() for a, b in pairs),
    }
    if method == "lora":
        save_adapter(model, folder / "final")
    else:
        model.save_pretrained(folder / "final")
    write_json(
        folder / "losses.json",
        {
            "losses": losses,
            "grad_norms": grad_norms,
            "learning_rates": learning_rates,
            "settings": settings,
            "rounding": rounding,
        },
    )
    print(f"{folder.name}: loss {losses[0]:.3f} -> {losses[-1]:.3f}, rounding {rounding}")


def save_adapter(model, folder):
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()  # an empty model card
    # PEFT writes this list in the order of a Python set, another one in every run.
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=2) + "\n")


# Forward passes


def make_forward(name, model_class, config, seed, tokens, dtype=torch.float32, max_shard_size="50GB"):
    """An HF folder in `dtype`, and the float32 logits of the weights as they were stored."""
    folder = fresh(name)
    random_model(model_class, config, seed).to(dtype).save_pretrained(folder, max_shard_size=max_shard_size)
    write_expected(folder, seed, tokens)
    return folder


def write_expected(folder, seed, tokens):
    model = load_model(folder)
    generator = torch.Generator().manual_seed(seed)
    input_ids = torch.randint(0, model.config.vocab_size, (2, tokens), generator=generator)
    write_tensors(folder / "expected.safetensors", input_ids=input_ids, logits=logits_of(model, input_ids))


def make_forwards():
    small = {
        "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "intermediate_size": 80, "vocab_size": 120, "max_position_embeddings": 256, "initializer_range": 0.12,
    }  # fmt: skip
    # Wavelengths 6.3, 19.9, 62.8, ... against the limits 8 and 32: one unchanged, one blended, the others scaled.
    llama3 = {
        "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    }  # fmt: skip
    config = LlamaConfig(**small, head_dim=16, rope_parameters=llama3)
    make_forward("forward-llama3-rope", LlamaForCausalLM, config, 11, 96)

    linear = {"rope_type": "linear", "rope_theta": 5000.0, "factor": 4.0}
    config = LlamaConfig(**small, rope_parameters=linear)
    folder = make_forward("forward-linear-rope", LlamaForCausalLM, config, 12, 64)
    older = fresh("forward-linear-rope-older")
    shutil.copytree(folder, older, dirs_exist_ok=True)
    written = json.loads((folder / "config.json").read_text())
    for newer in ("rope_parameters", "dtype", "head_dim", "transformers_version"):
        del written[newer]
    written |= {"rope_theta": 5000.0, "rope_scaling": {"type": "linear", "factor": 4.0}, "torch_dtype": "float32"}
    (older / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    write_expected(older, 12, 64)
    same = [(path / "expected.safetensors").read_bytes() for path in (folder, older)]
    assert same[0] == same[1], "the older style of config.json means something else"

    config = LlamaConfig(**small)
    make_forward("forward-bf16-sharded", LlamaForCausalLM, config, 13, 33, torch.bfloat16, "40KB")
    config = Qwen2Config(**small, tie_word_embeddings=True)
    make_forward("forward-f16-tied", Qwen2ForCausalLM, config, 14, 33, torch.float16)
    config = MistralConfig(**small | {"num_key_value_heads": 1}, sliding_window=None)
    make_forward("forward-mistral", MistralForCausalLM, config, 15, 40)
    config = LlamaConfig(**small, attention_bias=True, mlp_bias=True)
    make_forward("forward-llama-bias", LlamaForCausalLM, config, 16, 33)


# Generation


def make_generation():
    """Prompts whose every greedy choice is clear: the best logit leads by more than rounding can take away."""
    folder = fresh("generate-llama")
    model = load_model(HERE / "base-llama")
    generator = torch.Generator().manual_seed(21)
    prompts, continuations, smallest_margins = [], [], []
    for length in (7, 19):
        while True:
            prompt = torch.randint(3, model.config.vocab_size, (1, length), generator=generator)
            output = model.generate(
                prompt, attention_mask=torch.ones_like(prompt), do_sample=False, use_cache=True, max_new_tokens=24,
                pad_token_id=PAD, return_dict_in_generate=True, output_logits=True,
            )  # fmt: skip
            continuation = output.sequences[0, length:].tolist()
            best = torch.cat(output.logits).topk(2).values
            margin = (best[:, 0] - best[:, 1]).min().item()
            # More than a loop of a few tokens, no end token, no close call.
            if len(continuation) == 24 and margin > 2e-3 and len(set(continuation)) >= 6:
                break
        prompts.append(prompt[0].tolist())
        continuations.append(continuation)
        smallest_margins.append(margin)
    write_json(
        folder / "expected.json",
        {"prompts": prompts, "continuations": continuations, "smallest_margins": smallest_margins},
    )
    print(f"generate-llama: {continuations}, margins {smallest_margins}")


# Optimizer and schedules


def make_adamw():
    """37 elements with gradients from 1e-9 (eps decides) to 10; the first never gets any (only decay moves it)."""
    torch.manual_seed(31)
    initial = torch.randn(37)
    scale = torch.logspace(-9, 1, 37)
    scale[0] = 0
    gradients = torch.randn(100, 37) * scale
    learning_rates = [1e-2 * (0.1 + 0.9 * math.sin(math.pi * (step + 0.5) / 100)) for step in range(100)]
    parameter = torch.nn.Parameter(initial.clone())
    hyper = {"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.1}
    optimizer = torch.optim.AdamW([parameter], lr=0.0, **hyper)
    parameters = {}
    for step in range(100):
        optimizer.param_groups[0]["lr"] = learning_rates[step]
        parameter.grad = gradients[step].clone()
        optimizer.step()
        if (step + 1) % 10 == 0:
            parameters[str(step + 1)] = parameter.tolist()
    write_json(
        fresh("optim-adamw") / "expected.json",
        {
            "settings": hyper,
            "initial": initial.tolist(),
            "learning_rates": learning_rates,
            "gradients": gradients.tolist(),
            "parameters_after_step": parameters,
        },
    )


def make_schedules():
    """The factor on the learning rate at step 0, 1, ... of 57; step 0 is what the first optimizer step uses."""

    def factors(make):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = make(optimizer)
        values = []
        for _ in range(57):
            values.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        return values

    schedules = {"total_steps": 57}
    for warmup in (7, 0):
        schedules[f"warmup_{warmup}"] = {
            "cosine": factors(lambda o: transformers.get_cosine_schedule_with_warmup(o, warmup, 57)),
            "linear": factors(lambda o: transformers.get_linear_schedule_with_warmup(o, warmup, 57)),
            "constant_with_warmup": factors(lambda o: transformers.get_constant_schedule_with_warmup(o, warmup)),
            "constant": factors(lambda o: transformers.get_constant_schedule(o)),
        }
    write_json(HERE / "schedules.json", schedules)


if __name__ == "__main__":
    make_bases()
    for method in ("lora", "full"):
        make_run("llama", method, 101)
        make_run("qwen2", method, 102)
    make_forwards()
    make_generation()
    make_adamw()
    make_schedules()
