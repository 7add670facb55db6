"""Writes methods.json: 30 steps of what trains and at which rate, by the libraries that define it. README.md says more.

Usage: python make_methods.py AXOLOTL [NAME...]
where AXOLOTL is src/axolotl of Axolotl at 067b021c8b87a9e5e380b9173c704cf7340e30f5, of which three files are run as they
are: utils/freeze.py, utils/callbacks/lisa.py and core/trainers/mixins/optimizer.py.
The batches are those of run-{llama,qwen2}-lora, one micro batch to a step; adapters start as recorded there and in adapters.
What is random is drawn as Eft draws it: philox.py, and the blocks of lisa_blocks.json (src/train/lisa.ts with this seed).
"""

import importlib.util
import json
import sys
import types
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

from common import load_model, write_json  # noqa: E402
from make_goldens import IGNORED, parameter_groups  # noqa: E402
from philox import dropout_keeps, neftune_uniform  # noqa: E402

import numpy as np  # noqa: E402
import peft  # noqa: E402
import peft.optimizers  # noqa: E402
import transformers  # noqa: E402
from transformers.integrations import neftune  # noqa: E402

HERE, GOLDEN = Path(__file__).parent, Path(__file__).parent.parent
AXOLOTL = Path(sys.argv[1])
STEPS, WARMUP, DECAY, SEED = 30, 5, 0.01, 42
INTERVAL = 4


def from_axolotl(path):
    """A file of Axolotl, without the rest of it."""
    quiet = types.SimpleNamespace(debug=print, info=lambda text: None, warning=print)
    for name, content in {
        "axolotl.utils.logging": {"get_logger": lambda name: quiet},
        "axolotl.utils.distributed": {"is_main_process": lambda: False},
    }.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(content)
    spec = importlib.util.spec_from_file_location(Path(path).stem, AXOLOTL / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def adapted(base, start, **changes):
    """The adapter of a folder on its base, as it starts."""
    config = peft.LoraConfig.from_pretrained(GOLDEN / start)
    for key, value in changes.items():
        setattr(config, key, value)
    return peft.PeftModel.from_pretrained(plain(base), GOLDEN / start, config=config, is_trainable=True)


def adamw(model, rate):
    return torch.optim.AdamW(parameter_groups(model, DECAY), lr=rate)


def plain(base):
    return load_model(GOLDEN / f"base-{base}")


def grouped(model, rate, **keys):
    """As AxolotlTrainer makes its optimizer with embedding_lr, embedding_lr_scale and lr_groups."""
    mixin = from_axolotl("core/trainers/mixins/optimizer.py").OptimizerMixin
    settings = {"embedding_lr": None, "embedding_lr_scale": None, "lr_groups": None, "weight_decay": DECAY} | keys
    trainer = types.SimpleNamespace(args=types.SimpleNamespace(**settings))
    trainer.get_decay_parameter_names = lambda model: transformers.Trainer.get_decay_parameter_names(None, model)
    return torch.optim.AdamW(mixin.create_optimizer_grouped_parameters(trainer, model, {"lr": rate}), lr=rate)


def run_neftune():
    alpha, model = 5.0, plain("llama")
    embedding = model.get_input_embeddings()
    embedding.neftune_noise_alpha = alpha
    embedding.register_forward_hook(neftune.neftune_post_forward_hook)
    step = iter(range(STEPS))

    def uniform(tensor, low, high):
        drawn = torch.from_numpy(neftune_uniform(tensor.numel(), next(step), SEED)).reshape(tensor.shape)
        return tensor.copy_(low + (high - low) * drawn)

    original, torch.Tensor.uniform_ = torch.Tensor.uniform_, uniform
    found = train(model, "llama", adamw, 1e-3)
    torch.Tensor.uniform_ = original
    return found | {"keys": {"neftune_noise_alpha": alpha}}


def run_dropout(base, start):
    """PEFT's layers, with Eft's mask of each module in the place of nn.Dropout's."""
    probability = 0.25
    model = adapted(base, start, lora_dropout=probability)
    modules = [m.lora_dropout["default"] for m in model.modules() if "default" in getattr(m, "lora_dropout", {})]
    for salt, module in enumerate(modules):
        assert isinstance(module, torch.nn.Dropout) and module.p == probability
        steps = iter(range(STEPS))

        def forward(x, salt=salt, steps=steps):
            keeps = dropout_keeps(x.numel(), salt, next(steps), SEED, probability)
            return x * torch.from_numpy(keeps.reshape(x.shape)) / (1 - probability)

        module.forward = forward
    return train(model, base, adamw, 5e-3) | {"start": start, "dropout": probability}


def run_lora_plus(start, decay):
    keys = {"loraplus_lr_ratio": 4.0, "loraplus_lr_embedding": 2e-3}

    def optimizer(model, rate):
        return peft.optimizers.create_loraplus_optimizer(
            model, torch.optim.AdamW, lr=rate, loraplus_weight_decay=decay, **keys
        )

    return train(adapted("llama", start), "llama", optimizer, 2e-3) | {"start": start, "keys": keys | {"weight_decay": decay}}


def run_groups(start=None):
    if start:
        keys = {"embedding_lr_scale": 0.3, "lr_groups": [{"name": "values", "modules": ["v_proj"], "lr": 1e-3}]}
        model, rate = adapted("llama", start), 5e-3
    else:
        keys = {
            "embedding_lr": 2e-4,
            "lr_groups": [
                {"name": "attention", "modules": ["q_proj", "k_proj"], "lr": 5e-3},
                {"name": "last", "modules": ["layers.1.mlp"], "lr": 2e-3},
            ],
        }
        model, rate = plain("llama"), 1e-3
    found = train(model, "llama", lambda model, rate: grouped(model, rate, **keys), rate)
    return found | ({"start": start} if start else {}) | {"keys": keys}


def run_unfrozen():
    patterns = [
        "^model.embed_tokens.weight$[100:120]",
        "^model.embed_tokens.weight$[115:130]",
        "^lm_head.weight$[200:]",
        "model.layers.1.mlp.[a-z]+_proj",
        "model.layers.[0-9]+.input_layernorm",
    ]
    model = plain("llama")
    from_axolotl("utils/freeze.py").freeze_layers_except(model, patterns)
    return train(model, "llama", adamw, 1e-2) | {"keys": {"unfrozen_parameters": patterns}}


def run_lisa():
    """With the blocks that Eft draws for a step; Axolotl's callback draws in step 1 too, where Eft goes on with step 0's."""
    blocks = json.loads((HERE / "lisa_blocks.json").read_text())
    keys = {"lisa_n_layers": 1, "lisa_step_interval": INTERVAL}
    model = plain("llama")
    state = types.SimpleNamespace(global_step=0)
    lisa = from_axolotl("utils/callbacks/lisa.py")
    lisa.np = types.SimpleNamespace(random=types.SimpleNamespace(choice=lambda *_, **__: blocks[state.global_step]))
    arguments = types.SimpleNamespace(**keys, lisa_layers_attribute="model.layers")
    callback = lisa.lisa_callback_factory(types.SimpleNamespace(args=arguments, model=model))

    def before(step):
        state.global_step = step
        callback.on_step_begin(None, state, None)

    return train(model, "llama", adamw, 1e-3, before) | {"keys": keys}


METHODS = {
    "neftune": run_neftune,
    "lora-dropout": lambda: run_dropout("llama", "run-llama-lora/initial"),
    "dora-dropout": lambda: run_dropout("qwen2", "adapters/dora/initial"),
    "lora-plus": lambda: run_lora_plus("adapters/embeddings/initial", DECAY),
    # PEFT takes Llama's norms for weights that decay; Eft spares them as the Trainer does.
    "lora-plus-modules": lambda: run_lora_plus("adapters/modules/initial", 0.0),
    "groups": run_groups,
    "groups-modules": lambda: run_groups("adapters/modules/initial"),
    "unfrozen": run_unfrozen,
    "lisa": run_lisa,
}


def saved(name):
    """A parameter's name in an adapter's file."""
    return name.replace(".default", "").replace(".modules_to_save", "").replace("magnitude_vector.weight", "magnitude_vector")


def train(model, base, make_optimizer, rate, before=lambda step: None):
    model.train()
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = make_optimizer(model, rate)
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, WARMUP, STEPS)
    batches = json.loads((GOLDEN / f"run-{base}-lora" / "batches.json").read_text())["micro_batches"]
    losses, norms, rates = [], [], []
    for step, batch in enumerate(batches[:STEPS]):
        before(step)
        ids, shifted = torch.tensor(batch["input_ids"]), torch.tensor(batch["labels"])[:, 1:]
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
        loss = F.cross_entropy(logits.flatten(0, 1), shifted.flatten(), ignore_index=IGNORED)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], 1.0).item())
        rates.append(rate * schedule.lr_lambdas[0](step))
        losses.append(loss.item())
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    # How far each tensor went that went anywhere.
    moves = {name: (p - start[name]).norm().item() for name, p in model.named_parameters()}
    moves = {saved(name): far for name, far in moves.items() if far > 0}
    found = {"losses": losses, "grad_norms": norms, "learning_rates": rates, "moves": moves}
    return {"base": base, "learning_rate": rate} | found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    file = HERE / "methods.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    for name in sys.argv[2:] or METHODS:
        found[name] = METHODS[name]()
        print(f"{name}: {found[name]['losses'][0]:.4f} -> {found[name]['losses'][-1]:.4f}")
    write_json(file, found)
