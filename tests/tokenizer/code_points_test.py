"""Every code point, in context, as Hugging Face's tokenizers encodes it: real vocabularies."""
import itertools
import json
import os
import pathlib
import subprocess
import sys
import unicodedata

import pytest
import tokenizers

FATHOM = os.environ["FATHOM"]
VOCABULARIES = pathlib.Path(__file__).resolve().parents[3] / "shared" / "tokenizers"
BATCH = 100_000


def texts():
    """A line for each code point: alone, doubled, beside a letter, a digit, a space, a newline."""
    for code in itertools.chain(range(0xD800), range(0xE000, sys.maxunicode + 1)):
        c = chr(code)
        yield f"{c} a{c}1{c}{c}\n {c}e"


def ours(vocabulary, lines, path):
    path.write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
    done = subprocess.run([FATHOM, "tokenize", vocabulary, "--jsonl", path, "--no-special", "--json"],
                          capture_output=True, text=True, check=True)
    return [json.loads(line)["ids"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ["deepseek-llm", "deepseek-coder", "qwen2"])
def test_every_code_point(name, tmp_path):
    vocabulary = VOCABULARIES / name
    if not vocabulary.is_dir():
        pytest.skip(f"needs {vocabulary}, which is not part of the repository")
    reference = tokenizers.Tokenizer.from_file(str(vocabulary / "tokenizer.json"))
    differing = []
    every = texts()
    while lines := list(itertools.islice(every, BATCH)):
        expected = reference.encode_batch_fast(lines, add_special_tokens=False)
        got = ours(vocabulary, lines, tmp_path / "lines.jsonl")
        assert len(got) == len(lines)
        differing += [line[0] for line, mine, theirs in zip(lines, got, expected)
                      if mine != theirs.ids]
    # Both sides follow Unicode's tables of their day; what no table of ours knows may differ.
    assigned = [f"U+{ord(c):04X}" for c in differing if unicodedata.category(c) != "Cn"]
    print(f"{name}: {len(differing)} differ, {len(assigned)} of them assigned")
    assert not assigned, assigned[:40]
