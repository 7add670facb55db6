"""Logits of a base model with an adapter as PEFT loads it, to compare with ours.

Usage: python check_peft.py BASE_DIR ADAPTER_DIR INPUT_JSON OUT
INPUT_JSON holds {"input_ids": [[...]]}; OUT is a safetensors file with float32 `logits` [B, T, V].
Fails if a tensor of the adapter is missing, unexpected, of another shape or not taken over as it is.
"""

import sys
import warnings

from common import load_model, logits_of, read_input_ids, write_tensors

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file


def check_keys(adapter, expected):
    """PEFT warns of missing keys only and drops unexpected ones silently, so both sides are compared here."""
    problems = [f"missing: {key}" for key in expected.keys() - adapter.keys()]
    problems += [f"unexpected: {key}" for key in adapter.keys() - expected.keys()]
    for key in adapter.keys() & expected.keys():
        if adapter[key].shape != expected[key].shape:
            problems.append(f"shape: {key} {list(adapter[key].shape)}, expected {list(expected[key].shape)}")
        elif not torch.equal(adapter[key].float(), expected[key].float()):
            problems.append(f"not taken over: {key}")
    if problems:
        raise SystemExit("\n".join(sorted(problems)))


def main(base_dir, adapter_dir, input_json, out):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*(missing|unexpected)")  # a missing key is only a warning to PEFT
        model = PeftModel.from_pretrained(load_model(base_dir), adapter_dir).eval()
    expected = get_peft_model_state_dict(model, save_embedding_layers=False)
    check_keys(load_file(f"{adapter_dir}/adapter_model.safetensors"), expected)
    write_tensors(out, logits=logits_of(model, read_input_ids(input_json)))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
