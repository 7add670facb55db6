"""Logits of a model folder as transformers loads it, to compare with ours.

Usage: python check_merged.py MODEL_DIR INPUT_JSON OUT
INPUT_JSON holds {"input_ids": [[...]]}; OUT is a safetensors file with float32 `logits` [B, T, V].
Fails if a tensor of the model is missing, unexpected or of another shape.
"""

import sys

from common import load_model, logits_of, read_input_ids, write_tensors


def main(model_dir, input_json, out):
    write_tensors(out, logits=logits_of(load_model(model_dir), read_input_ids(input_json)))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
