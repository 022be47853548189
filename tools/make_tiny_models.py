"""Makes the seeded random models of tests/data/models/tiny-* and their reference outputs.

They cover what the trained demo model does not: Qwen2 with 7 query heads a KV head, rotary
scaling, biases, tied embeddings, padding rows, f16 and f32 files, every spelling of a config.

  python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch==2.13.0 transformers safetensors
  /tmp/venv/bin/python tools/make_tiny_models.py

Reference outputs are by transformers in float32 on the files' weights. Logits of padding rows are
set to -infinity before the log-softmax. Two runs write the same bytes.
"""
import json
import math
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests/data"
BOS, EOS = 270, 271
NUM_TOKENS = 272  # 256 bytes, 14 merges, BOS, EOS
TEMPLATE = ("{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '\\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}")


def byte_alphabet():
    """The 256 characters that stand for bytes, in order of byte."""
    keep = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(b) if b in keep else chr(0x100 + sum(1 for c in range(b) if c not in keep))
            for b in range(256)]


def write_tokenizer(folder):
    alphabet = byte_alphabet()
    vocab = {c: i for i, c in enumerate(alphabet)}
    merges = []
    for pair in ["t h", "th e", "a n", "an d", "i n", "Ġ the", "e r", "o n", "in g", "r e",
                 "Ġ a", "Ġ and", "o r", "e s"]:
        merges.append(pair)
        vocab[pair.replace(" ", "")] = len(vocab)
    added = [{"id": i, "content": c, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, c in ((BOS, "<s>"), (EOS, "</s>"))]
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "post_processor": None, "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "vocab": vocab,
                  "merges": merges}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"add_bos_token": True, "bos_token": "<s>", "eos_token": "</s>",
         "chat_template": TEMPLATE}, indent=1))


def randomise(model, seed):
    """Weights large enough for logits with a spread, so that greedy choices are clear."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            if name.endswith("norm.weight"):
                p.copy_(1 + 0.2 * torch.randn(p.shape, generator=generator))
            elif p.dim() == 1:
                p.copy_(0.5 * torch.randn(p.shape, generator=generator))
            else:
                scale = 1.0 if "embed" in name else 2.0 / math.sqrt(p.shape[-1])
                p.copy_(scale * torch.randn(p.shape, generator=generator))


def cases(model, num_greedy):
    generator = torch.Generator().manual_seed(5)
    out = []
    for length in (1, 2, 17, 64, 300):
        ids = [BOS] + torch.randint(0, 270, (length,), generator=generator).tolist()
        x = torch.tensor([ids])
        logits = masked(model(x).logits[0])
        logprobs = logits.log_softmax(-1)
        top = logprobs[-1].topk(20)
        scored = logprobs[:-1].gather(1, x[0, 1:, None])[:, 0]
        y, greedy, margins = x, [], []
        for _ in range(num_greedy):
            last = masked(model(y).logits[0, -1])
            best = last.topk(2).values
            margins.append(round((best[0] - best[1]).item(), 4))
            greedy.append(last.argmax().item())
            y = torch.cat([y, torch.tensor([[greedy[-1]]])], 1)
            if greedy[-1] == EOS:
                break
        out.append({"text": f"{length} random tokens", "input_ids": ids,
                    "last_logits_top20": {"ids": top.indices.tolist(),
                                          "logprobs": [round(v, 5) for v in top.values.tolist()]},
                    "prompt_logprobs_sum": round(scored.sum().item(), 4),
                    "prompt_logprobs_first32": [round(v, 5) for v in scored[:32].tolist()],
                    "greedy_ids": greedy, "greedy_margins": margins})
    return out


def masked(logits):
    logits = logits.float()
    logits[..., NUM_TOKENS:] = -math.inf
    return logits


@torch.no_grad()
def make(name, cls, config, dtype, seed, edit_config, scaling_matters):
    folder = ROOT / "models" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = cls(config).eval()
    randomise(model, seed)
    model = model.to(dtype)
    tensors = {k: v.contiguous() for k, v in model.state_dict().items()}
    if config.tie_word_embeddings:
        tensors.pop("lm_head.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    plain = {"architectures": [cls.__name__], "model_type": config.model_type,
             "hidden_act": "silu", "vocab_size": config.vocab_size,
             "hidden_size": config.hidden_size, "intermediate_size": config.intermediate_size,
             "num_hidden_layers": config.num_hidden_layers,
             "num_attention_heads": config.num_attention_heads,
             "num_key_value_heads": config.num_key_value_heads,
             "max_position_embeddings": config.max_position_embeddings,
             "rms_norm_eps": config.rms_norm_eps, "bos_token_id": BOS, "eos_token_id": EOS,
             "tie_word_embeddings": config.tie_word_embeddings,
             "torch_dtype": str(dtype).removeprefix("torch.")}
    plain.update(edit_config)
    (folder / "config.json").write_text(json.dumps(plain, indent=1))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [EOS]}))
    write_tokenizer(folder)
    # A fresh model: a cast would have rounded the rotary frequencies, too.
    weights = {k: v.float() for k, v in model.state_dict().items()}
    model = cls(config).eval()
    model.load_state_dict(weights)
    golden = {"dtype": f"float32 compute on the {dtype} weights",
              "padding": f"logits from row {NUM_TOKENS} on are -infinity", "cases": cases(model, 24)}
    if scaling_matters:
        unscaled = cls(type(config)(**{**config.to_dict(), "rope_parameters": {
            "rope_type": "default", "rope_theta": config.rope_parameters["rope_theta"]}})).eval()
        unscaled.load_state_dict(model.state_dict())
        x = torch.tensor([golden["cases"][-1]["input_ids"]])
        change = (masked(model(x).logits[0, -1])[:NUM_TOKENS] -
                  masked(unscaled(x).logits[0, -1])[:NUM_TOKENS]).abs().max().item()
        assert change > 0.1, f"{name}: without its scaling the logits change by {change} only"
    (ROOT / "goldens" / f"{name}.json").write_text(json.dumps(golden))
    print(name, sum(p.numel() for p in model.parameters()), "parameters")


def main():
    small = dict(hidden_size=48, intermediate_size=112, num_hidden_layers=2,
                 max_position_embeddings=2048, rms_norm_eps=1e-6, bos_token_id=BOS,
                 eos_token_id=EOS, attn_implementation="eager")
    make("tiny-qwen2", Qwen2ForCausalLM,
         Qwen2Config(vocab_size=320, **{**small, "hidden_size": 224, "intermediate_size": 320},
                     num_attention_heads=14, num_key_value_heads=2,
                     rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
                     tie_word_embeddings=False),
         torch.bfloat16, 1,
         {"rope_theta": 10000.0, "rope_scaling": None, "use_sliding_window": False,
          "sliding_window": None}, False)
    linear = {"rope_type": "linear", "factor": 4.0, "rope_theta": 100000.0}
    make("tiny-llama-linear", LlamaForCausalLM,
         LlamaConfig(vocab_size=NUM_TOKENS, **small, num_attention_heads=4, num_key_value_heads=2,
                     head_dim=22, rope_parameters=linear, tie_word_embeddings=True),
         torch.bfloat16, 2,
         {"head_dim": 22, "rope_theta": 100000.0,
          "rope_scaling": {"type": "linear", "factor": 4.0}}, True)
    llama3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 64, "rope_theta": 10000.0}
    make("tiny-llama3", LlamaForCausalLM,
         LlamaConfig(vocab_size=NUM_TOKENS, **small, num_attention_heads=3, num_key_value_heads=3,
                     rope_parameters=llama3, attention_bias=True, mlp_bias=True,
                     tie_word_embeddings=False),
         torch.float16, 3,
         {"attention_bias": True, "mlp_bias": True, "rope_theta": 10000.0,
          "rope_scaling": {k: v for k, v in llama3.items() if k != "rope_theta"}}, True)
    make("tiny-llama-f32", LlamaForCausalLM,
         LlamaConfig(vocab_size=NUM_TOKENS, **small, num_attention_heads=6, num_key_value_heads=2,
                     rope_parameters=linear, tie_word_embeddings=False),
         torch.float32, 4, {"rope_parameters": linear}, True)


if __name__ == "__main__":
    main()
