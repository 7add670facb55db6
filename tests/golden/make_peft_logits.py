"""Logits of the trained golden adapters as PEFT computes them, for reading adapters that PEFT made.

Usage: python make_peft_logits.py
Needs the folders that make_goldens.py writes; writes peft-logits/{llama,qwen2}.safetensors with `input_ids` [2, T]
and float32 `logits` [2, T, V].
"""

from pathlib import Path

from common import load_model, logits_of, write_tensors

import torch
from peft import PeftModel

HERE = Path(__file__).parent
TOKENS = 20

if __name__ == "__main__":
    (HERE / "peft-logits").mkdir(exist_ok=True)
    for seed, (name, vocabulary) in enumerate([("llama", 260), ("qwen2", 300)]):
        model = PeftModel.from_pretrained(load_model(HERE / f"base-{name}"), HERE / f"run-{name}-lora/final").eval()
        generator = torch.Generator().manual_seed(40 + seed)
        input_ids = torch.randint(3, vocabulary, (2, TOKENS), generator=generator)
        write_tensors(
            HERE / f"peft-logits/{name}.safetensors", input_ids=input_ids, logits=logits_of(model, input_ids)
        )
