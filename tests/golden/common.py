"""What the golden scripts share: a deterministic PyTorch on one CPU thread that never asks the network,
and reading and writing of the few file kinds used here."""

import json
import os

# Set before transformers is imported: every model here is a local folder.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers import AutoModelForCausalLM, logging  # noqa: E402

logging.disable_progress_bar()
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


def load_model(folder):
    """The model of an HF folder in float32 with eager attention; fails unless every tensor of the file has its place."""
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    problems = {kind: list(keys) for kind, keys in info.items() if keys}
    if problems:
        raise SystemExit(f"{folder}: {problems}")
    return model.eval()


@torch.no_grad()
def logits_of(model, input_ids):
    """input_ids [B, T] -> float32 logits [B, T, V]; no attention mask, so plain causal attention."""
    return model(input_ids=input_ids, use_cache=False).logits.float().contiguous()


def read_input_ids(path):
    """The `input_ids` [B, T] of a JSON file; rows must be of one length."""
    with open(path, encoding="utf-8") as file:
        return torch.tensor(json.load(file)["input_ids"], dtype=torch.int64)


def write_tensors(path, **tensors):
    save_file(tensors, path, metadata={"format": "pt"})


def write_json(path, value):
    """One line per top-level key. A float32 is written as the float64 of the same value, so nothing is rounded."""
    lines = [f"{json.dumps(key)}: {json.dumps(item)}" for key, item in value.items()]
    with open(path, "w", encoding="utf-8") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")
