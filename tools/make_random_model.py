#!/usr/bin/env python3
"""Writes a model folder of a known shape with random weights, to time loading and serving.

Usage: tools/make_random_model.py SHAPE FOLDER [--tokenizer FOLDER] [--layers N]

SHAPE: deepseek-llm-7b or deepseek-r1-distill-qwen-7b. The tokenizer is copied from --tokenizer (the
demo model's by default); rows of the vocabulary behind its tokens are padding. Needs numpy.
"""
import argparse
import json
import pathlib
import shutil
import struct
import sys

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEMO = ROOT / "tests/data/models/mini-llama"
BLOCK_VALUES = 1 << 24
LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 30,
         "hidden_size": 4096, "intermediate_size": 11008, "num_attention_heads": 32,
         "num_key_value_heads": 32, "vocab_size": 102400, "max_position_embeddings": 4096}
QWEN = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "num_hidden_layers": 28,
        "hidden_size": 3584, "intermediate_size": 18944, "num_attention_heads": 28,
        "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 131072}
SHAPES = {"deepseek-llm-7b": LLAMA, "deepseek-r1-distill-qwen-7b": QWEN}


def tensor_shapes(config):
    """Name and shape of every tensor, in the order of the file."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    head = hidden // config["num_attention_heads"]
    kv = config["num_key_value_heads"] * head
    yield "model.embed_tokens.weight", (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", (hidden,)
        yield prefix + "post_attention_layernorm.weight", (hidden,)
        for name, rows in (("q", hidden), ("k", kv), ("v", kv)):
            yield f"{prefix}self_attn.{name}_proj.weight", (rows, hidden)
            if config["model_type"] == "qwen2":
                yield f"{prefix}self_attn.{name}_proj.bias", (rows,)
        yield prefix + "self_attn.o_proj.weight", (hidden, hidden)
        yield prefix + "mlp.gate_proj.weight", (inner, hidden)
        yield prefix + "mlp.up_proj.weight", (inner, hidden)
        yield prefix + "mlp.down_proj.weight", (hidden, inner)
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (config["vocab_size"], hidden)


def bf16(values):
    return (values.astype(numpy.float32).view(numpy.uint32) >> 16).astype(numpy.uint16)


def write_weights(path, config):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    shapes = list(tensor_shapes(config))
    for name, shape in shapes:
        size = 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    random = numpy.random.default_rng(1)
    block = bf16(random.normal(0, 0.02, BLOCK_VALUES))
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in shapes:
            count = int(numpy.prod(shape))
            if name.endswith("norm.weight"):
                file.write(bf16(numpy.ones(count)).tobytes())
                continue
            # Runs of the block from random places: as hard to multiply as fresh numbers.
            while count > 0:
                start = int(random.integers(0, BLOCK_VALUES // 2))
                run = block[start:start + count]
                file.write(run.tobytes())
                count -= len(run)
    return offset


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--tokenizer", type=pathlib.Path, default=DEMO)
    parser.add_argument("--layers", type=int)
    arguments = parser.parse_args()
    config = dict(SHAPES[arguments.shape])
    if arguments.layers:
        config["num_hidden_layers"] = arguments.layers
    demo = json.loads((arguments.tokenizer / "config.json").read_text())
    config.update(hidden_act="silu", rms_norm_eps=1e-6, rope_theta=10000.0,
                  tie_word_embeddings=False, torch_dtype="bfloat16",
                  bos_token_id=demo["bos_token_id"], eos_token_id=demo["eos_token_id"])
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(arguments.tokenizer / name, arguments.folder / name)
    (arguments.folder / "config.json").write_text(json.dumps(config, indent=1))
    size = write_weights(arguments.folder / "model.safetensors", config)
    print(f"{arguments.folder}: {size / 1e9:.2f} GB of random weights", file=sys.stderr)


if __name__ == "__main__":
    main()
