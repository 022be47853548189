"""The commands as people type them, and what they say when something is wrong."""
import json
import pathlib
import shutil
import struct
import subprocess

import pytest

from conftest import FATHOM, MODEL, SOURCE, Server


def fathom(*arguments, **options):
    return subprocess.run([FATHOM, *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, **options)


def test_run_answers_in_json():
    done = fathom("run", MODEL, "how do I start the server", "--temperature", 0, "--json")
    answer = json.loads(done.stdout)
    assert answer["prompt_tokens"] == 17
    assert answer["text"].startswith(" Run: fathom serve")
    assert answer["finish_reason"] == "stop"
    assert set(answer["timings"]) == {"queue_ms", "prefill_ms", "decode_ms"}
    assert answer["token_ids"][-1] == 4095


def test_run_raw_matches_the_golden_ids(tmp_path):
    golden = json.loads((SOURCE / "tests/data/goldens/mini-llama.json").read_text())["cases"]
    for case in (golden[0], golden[7], golden[9]):
        (tmp_path / "prompt").write_text(case["text"])
        done = fathom("run", MODEL, "--raw", "--prompt-file", tmp_path / "prompt", "--dtype",
                      "fp32", "--temperature", 0, "--max-tokens", len(case["greedy_ids"]), "--json")
        assert json.loads(done.stdout)["token_ids"] == case["greedy_ids"]


def test_run_samples_repeatably():
    asked = ["run", MODEL, "--raw", "春", "--seed", 5, "--max-tokens", 20, "--json"]
    assert json.loads(fathom(*asked).stdout)["text"] == json.loads(fathom(*asked).stdout)["text"]


def test_run_chats_on_standard_input():
    done = fathom("run", MODEL, "--temperature", 0, input="What is GPTQ?\nWhat is AWQ?\n")
    assert done.returncode == 0
    assert "GPTQ" in done.stdout and "AWQ" in done.stdout


def test_tokenize_in_every_form(tmp_path):
    assert json.loads(fathom("tokenize", MODEL, "--text", "Hello Führer", "--json").stdout) == {
        "ids": [4094, 39, 3964, 374, 127, 120, 71, 81, 261]}
    plain = fathom("tokenize", MODEL, "--text", "Hello", "--no-special")
    assert plain.stdout == "39 3964\n"
    assert fathom("tokenize", MODEL, "--decode", "--text", "39 3964").stdout == "Hello\n"
    lines = tmp_path / "texts.jsonl"
    lines.write_text('{"text": "a"}\n{"text": "Führer\\n"}\n')
    encoded = fathom("tokenize", MODEL, "--jsonl", lines, "--no-special").stdout
    ids = tmp_path / "ids.jsonl"
    ids.write_text(encoded)
    decoded = fathom("tokenize", MODEL, "--jsonl", ids, "--decode").stdout
    assert [json.loads(l)["text"] for l in decoded.splitlines()] == ["a", "Führer\n"]
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(MODEL / "tokenizer.json", alone)
    assert fathom("tokenize", alone, "--text", "Hello").stdout == "39 3964\n"
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "a"}\n{"txt": 1}\n')
    done = fathom("tokenize", MODEL, "--jsonl", bad)
    assert done.returncode == 1 and f"{bad}:2" in done.stderr


def test_eval_matches_the_golden():
    golden = json.loads((SOURCE / "tests/data/goldens/mini-llama.json").read_text())
    text = SOURCE / "tests/data/goldens/perplexity_en.txt"
    done = fathom("eval", MODEL, "--text", text, "--max-windows", 2, "--json")
    result = json.loads(done.stdout)
    assert result["tokens"] == 2046
    assert 5 < result["perplexity"] < 25
    assert golden["perplexity_heldout_en"]["tokens"] == 40920


def test_usage_errors_exit_with_2():
    for arguments in ([], ["nope"], ["--nope"], ["run"], ["serve", MODEL, "--prot", "1"],
                      ["run", MODEL, "--json"],
                      ["run", MODEL, "x", "--temperature", "5"], ["tokenize", MODEL],
                      ["serve", MODEL, "--port", "99999"]):
        done = fathom(*arguments)
        assert done.returncode == 2, arguments
        assert done.stderr.count("\n") == 1 and " --help" in done.stderr, done.stderr


def test_usage_errors_name_the_mistake():
    for arguments, text in ((["--nope"], "--nope"), (["serve", MODEL, "--prot", "1"], "--prot"),
                            (["nope"], "nope"), (["serve", MODEL, "--port", "99999"], "65535")):
        assert text in fathom(*arguments).stderr


def test_output_that_cannot_be_written_is_a_failure():
    for arguments in (["version"], ["tokenize", MODEL, "--text", "a"],
                      ["run", MODEL, "x", "--max-tokens", "1"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([FATHOM, *arguments], stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=60)
        assert done.returncode == 1 and "fathom: " in done.stderr, done


def test_help_shows_examples():
    assert fathom("--help").returncode == 0
    for command in ("serve", "run", "pull", "tokenize", "eval", "bench", "doctor", "topo"):
        done = fathom(command, "--help")
        assert done.returncode == 0 and "Examples:" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 80
    assert json.loads(fathom("version", "--json").stdout)["version"]


def broken(tmp_path, change):
    folder = tmp_path / "model"
    shutil.copytree(SOURCE / "tests/data/models/tiny-qwen2", folder)
    change(folder)
    return folder


def rewrite(name, old, new):
    def change(folder):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))
    return change


def cut(folder):
    with open(folder / "model.safetensors", "r+b") as file:
        file.truncate(10_000)


def set_nan(folder):
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-2:] = struct.pack("<H", 0x7FC0)
    path.write_bytes(data)


def change_dtype(folder):
    path = folder / "model.safetensors"
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    path.write_bytes(data[:8] + data[8:8 + size].replace(b'"BF16"', b'"I16" ') + data[8 + size:])


@pytest.mark.parametrize("change,expected", [
    (lambda f: (f / "config.json").unlink(), "config.json"),
    (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json"),
    (lambda f: (f / "model.safetensors").unlink(), "safetensors"),
    (cut, "cut"),
    (set_nan, "not a finite number"),
    (change_dtype, "I16"),
    (rewrite("config.json", '"hidden_size": 224', '"hidden_size": 448'), "needs"),
    (rewrite("config.json", "Qwen2ForCausalLM", "Qwen9ForCausalLM"), "Qwen9ForCausalLM"),
    (rewrite("config.json", "Qwen2ForCausalLM", "LlamaForCausalLM"), "k_proj.bias"),
    (lambda f: (f / "config.json").write_text("[" * 100_000), "JSON"),
    (rewrite("tokenizer_config.json", "{% for m", "{% fro m"), "template"),
])
def test_a_broken_model_is_one_clear_line(tmp_path, change, expected):
    folder = broken(tmp_path, change)
    for arguments in (["run", folder, "x"], ["serve", folder, "--port", "0"]):
        done = fathom(*arguments)
        assert done.returncode == 1, done
        errors = [l for l in done.stderr.splitlines() if l.startswith("fathom: ")]
        assert len(errors) == 1 and expected in errors[0], done.stderr


def test_other_mistakes_are_one_clear_line(tmp_path):
    (tmp_path / "long").write_text("word " * 5000)
    server = Server()
    port = server.url.rsplit(":", 1)[1]
    cases = [
        (["run", "/no/such/folder", "x"], "no such folder"),
        (["run", MODEL, "--raw", "--prompt-file", tmp_path / "long"], "context"),
        (["run", MODEL, "x", "--device", "cuda"], "--device"),
        (["run", MODEL, "x", "--max-tokens", "100000"], "context"),
        (["serve", MODEL, "--port", port], "in use"),
        # Told before a model is loaded, which may take minutes.
        (["serve", "/no/such/folder", "--port", port], "in use"),
        (["serve", "/no/such/folder", "--port", "0", "--tls-cert", "/no/such/file", "--tls-key",
          "/no/such/file"], "/no/such/file"),
        (["serve", MODEL, "--port", "0", "--kv-memory", "100"], "--kv-memory"),
        (["serve", MODEL, "--port", "0", "--max-context", "100000"], "--max-context"),
        (["eval", MODEL, "--text", "/no/such/file"], "No such file"),
        (["eval", MODEL, "--text", tmp_path / "long", "--window", "5000"], "--window"),
        (["tokenize", MODEL, "--jsonl", tmp_path], "cannot read"),
        (["tokenize", MODEL, "--decode", "--text", "12 x"], "not a token id"),
        (["tokenize", MODEL, "--decode", "--text", "999999"], "not in the vocabulary"),
    ]
    for arguments, expected in cases:
        done = fathom(*arguments)
        assert done.returncode == 1, (arguments, done)
        assert expected in done.stderr.splitlines()[-1], (arguments, done.stderr)
    assert server.stop() == 0


def test_known_models_must_be_themselves(tmp_path):
    folder = tmp_path / "deepseek-llm-7b-chat"
    shutil.copytree(MODEL, folder)
    done = fathom("run", folder, "x")
    assert done.returncode == 1 and "num_hidden_layers is 8, not 30" in done.stderr
    forced = fathom("run", folder, "x", "--force", "--max-tokens", "2")
    assert forced.returncode == 0 and "--force" in forced.stderr
