#!/usr/bin/env python3
"""Encoding speed of each vocabulary beside the `tokenizers` library, in the same run, on one core.

Usage: .venv/bin/python bench/tokenizer_speed.py FOLDER...   (each with a tokenizer.json)
"""
import json
import os
import pathlib
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers  # noqa: E402  (reads the variable when it is imported)

SOURCE = pathlib.Path(__file__).resolve().parent.parent
BENCH = SOURCE / "build/release/bin/tokenizer_bench"
GOLDENS = SOURCE / "tests/data/goldens"
CODE = ["scheduler.cc", "sampler.cc", "engine.cc", "engine_steps.cc"]


def texts():
    yield "prose_en", (GOLDENS / "perplexity_en.txt").read_text()
    yield "prose_zh", (GOLDENS / "perplexity_zh.txt").read_text()
    yield "code", "".join((SOURCE / "src/engine" / name).read_text() for name in CODE)


def ours(folder):
    done = subprocess.run(
        ["taskset", "-c", "0", BENCH, "--benchmark_format=json", "--benchmark_min_time=0.5"],
        env={**os.environ, "FATHOM_TOKENIZER": str(folder)}, check=True, capture_output=True)
    return {each["name"]: each["bytes_per_second"] / 1e6
            for each in json.loads(done.stdout)["benchmarks"]}


def theirs(folder, text):
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        tokenizer.encode(text)
        best = min(best, time.process_time() - start)
    return len(text.encode()) / best / 1e6


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print("| vocabulary | text | fathom MB/s | tokenizers MB/s | ratio |\n|---|---|--:|--:|--:|")
    for folder in map(pathlib.Path, sys.argv[1:]):
        rates = ours(folder)
        for name, text in texts():
            mine, other = rates[f"encode/{name}"], theirs(folder, text)
            print(f"| {folder.name} | {name} | {mine:.1f} | {other:.1f} | {mine / other:.1f} |")
        for name, rate in rates.items():
            if name.split("/")[1] not in dict(texts()) or name.startswith("decode"):
                print(f"| {folder.name} | {name} | {rate:.1f} | | |")


if __name__ == "__main__":
    main()
