"""Loads the adapters that Eft trained (tests/quant/adapters_test.ts) with PEFT over bitsandbytes' layers and compares
logits with ours.

Usage: python check_adapters.py DIR
DIR holds a folder for each of adapters/*, with logits.f32 beside the adapter.
Fails if a tensor is missing, unexpected or not taken over as it is, or if logits differ by 1e-4.
"""

import sys
import warnings
from pathlib import Path

import make_adapters as made
import numpy

from check_peft import check_keys
from common import logits_of
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file


def main(folder):
    made.loftq_on_cpu()
    worst = 0.0
    for path in sorted(Path(folder).iterdir()):
        held, _ = made.KINDS[path.name]
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*(missing|unexpected)")
            model = PeftModel.from_pretrained(made.base_model(held), path)
        check_keys(
            load_file(path / "adapter_model.safetensors"), get_peft_model_state_dict(model, save_embedding_layers=False)
        )
        ids = load_file(made.HERE / "adapters" / path.name / "logits.safetensors")["input_ids"]
        logits = logits_of(model.train(), ids)  # see make_adapters.py; there is no dropout
        ours = numpy.fromfile(path / "logits.f32", dtype=numpy.float32).reshape(logits.shape)
        far = float(abs(logits.numpy() - ours).max())
        print(f"{path.name}: logits differ by {far:.1e}")
        worst = max(worst, far)
    if not worst < 1e-4:
        raise SystemExit(f"logits differ by {worst}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
