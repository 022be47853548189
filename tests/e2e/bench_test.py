"""fathom bench shape: its figures, its table, and what it refuses."""
import json
import subprocess

from conftest import FATHOM

CUT = ["--device", "cpu", "--layers", "1", "--context", "32", "--prompt", "64"]


def bench(*arguments):
    return subprocess.run([FATHOM, "bench", "shape", *arguments], capture_output=True, text=True,
                          timeout=240)


def test_one_layer_in_json():
    done = bench("deepseek-llm-7b", *CUT, "--batch", "1,2", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["device"].startswith("cpu")
    assert not report["is_whole_model"] and report["layers"] == 1
    assert report["limits"]["read_gb_per_s"] > 0 and report["limits"]["dot_tops"] > 0
    assert [each["batch"] for each in report["decode"]] == [1, 2]
    for each in report["decode"]:
        assert each["context"] == 32
        assert 0 < each["tokens_per_s"] and 0 < each["percent_of_limit"]
    assert [each["tokens"] for each in report["prefill"]] == [64]
    assert report["prefill"][0]["tokens_per_s"] > 0
    # The weights of one layer, embedding and head at two bytes each, and not much more.
    parameters = 202_375_168 + 8192 + 2 * 102400 * 4096 + 4096
    assert 2 * parameters < report["resident_bytes"] < 2.3 * parameters


def test_the_table_says_that_the_model_is_cut():
    done = bench("deepseek-r1-distill-qwen-7b", *CUT, "--batch", "1", "--kv-cache-dtype", "int8")
    assert done.returncode == 0, done.stderr
    assert "NOT THE REAL MODEL: 1 of its 28 layers" in done.stdout
    assert "decode" in done.stdout and "prefill" in done.stdout and "GB/s" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "random weights" in done.stderr  # progress


def test_what_cannot_be_measured_is_one_clear_line():
    for arguments, expected in [
            (["--device", "cpu", "--context", "5000"], "--context"),
            (["--device", "cpu", "--prompt", "4096"], "--prompt"),
            (["--device", "cpu", "--batch", "60000"], "KV cache"),
            (["--device", "cpu", "--layers", "31"], "--layers"),
            (["--device", "cpu", "--dtype", "fp8"], "--dtype"),
            (["--device", "tpu"], "--device")]:
        done = bench("deepseek-llm-7b", *arguments)
        assert done.returncode == 1, (arguments, done)
        assert expected in done.stderr.splitlines()[-1], (arguments, done.stderr)
        assert not done.stdout


def test_usage():
    for arguments in ([], ["llama-70b"], ["deepseek-llm-7b", "--batch", "0"],
                      ["deepseek-llm-7b", "--context", "3"]):
        assert bench(*arguments).returncode == 2, arguments
    done = bench("--help")
    assert done.returncode == 0 and "Examples:" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
