"""Texts of many scripts mixed at random, as Hugging Face's tokenizers encodes them."""
import random
import unicodedata

import pytest
import tokenizers

from code_points_test import VOCABULARIES, ours

# First and last code point of what a text is drawn from: letters, digits and signs, Han, kana,
# Hangul, punctuation of both widths, Devanagari, Arabic, marks, emoji.
RANGES = [(0x20, 0x7E), (0xC0, 0x17F), (0x400, 0x44F), (0x4E00, 0x9FA5), (0x3041, 0x30FA),
          (0xAC00, 0xD7A3), (0x3000, 0x3011), (0xFF01, 0xFF5E), (0x905, 0x94D), (0x620, 0x64A),
          (0x300, 0x340), (0x1F600, 0x1F64F), (0x2010, 0x2026), (0x9, 0xD)]
# What is not assigned may be known to one side's Unicode only.
SCRIPTS = [[chr(code) for code in range(first, last + 1) if unicodedata.category(chr(code)) != "Cn"]
           for first, last in RANGES]
TEXTS = 20_000


def word(choose, tokens):
    """A word of the vocabulary, or a few characters of one script, often the same again."""
    if choose.random() < 0.5:
        return choose.choice(tokens)
    few = choose.choices(choose.choice(SCRIPTS), k=choose.randint(1, 4))
    return "".join(choose.choice(few) for _ in range(choose.randint(1, 12)))


@pytest.mark.parametrize("name", ["deepseek-llm", "deepseek-coder", "qwen2"])
def test_random_texts(name, tmp_path):
    vocabulary = VOCABULARIES / name
    if not vocabulary.is_dir():
        pytest.skip(f"needs {vocabulary}, which is not part of the repository")
    reference = tokenizers.Tokenizer.from_file(str(vocabulary / "tokenizer.json"))
    tokens = [reference.decode([i]) for i in range(reference.get_vocab_size())]
    seed = random.randrange(1 << 32)
    choose = random.Random(seed)
    texts = ["".join(word(choose, tokens) for _ in range(choose.randint(1, 60)))
             for _ in range(TEXTS)]
    expected = [each.ids for each in reference.encode_batch_fast(texts, add_special_tokens=False)]
    got = ours(vocabulary, texts, tmp_path / "lines.jsonl")
    differing = [text for text, mine, theirs in zip(texts, got, expected, strict=True)
                 if mine != theirs]
    assert not differing, f"seed {seed}: {len(differing)} differ, such as {differing[0]!r}"
