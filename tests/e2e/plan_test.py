"""fathom plan: tables, JSON, targets, what it refuses; and what it emits, read by the tools' own eyes."""
import json
import os
import re
import resource
import shlex
import subprocess

import compose_spec
import kubernetes_validate
import pytest
import yaml

from conftest import FATHOM, MODEL, SOURCE, Server

GPUS = ["t4", "rtx3090", "rtx4090", "a6000", "l4", "l40s", "a100-40", "a100-80", "h100", "h200",
        "orin-64", "cpu"]


def plan(*arguments, **environment):
    # What was once measured on this machine must not decide a test.
    return subprocess.run(
        [FATHOM, "plan", *map(str, arguments)], capture_output=True, text=True, timeout=60,
        env={**os.environ, "FATHOM_CALIBRATION": "/nonexistent/calibration.json", **environment})


def configurations(*arguments, **environment):
    done = plan(*arguments, "--json", **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["configurations"]


def width(text):
    return max(map(len, text.splitlines()))


def test_the_overview_has_every_gpu_in_80_columns_and_at_once():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = plan()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.2
    assert done.returncode == 0 and width(done.stdout) <= 80
    for gpu in GPUS:
        assert re.search(rf"^{gpu} ", done.stdout, re.M), gpu
    assert "480 KiB a token" in done.stdout and "nobody verified" in done.stdout


def test_json_has_the_fields_that_were_promised():
    report = json.loads(plan("--json").stdout)
    assert report["model"]["name"] == "deepseek-llm-7b"
    assert {each["gpu"] for each in report["configurations"]} == set(GPUS)
    for each in report["configurations"]:
        assert {"gpu", "gpus", "split", "weights", "kv", "fits", "ledger", "max_context_at_batch_1",
                "max_batch_at_4096", "ttft_ms", "tpot_ms", "tokens_per_s", "usd_per_million_tokens",
                "reasons"} <= each.keys()
        ledger = each["ledger"]
        parts = ("weights_bytes", "kv_bytes", "workspace_bytes", "logits_bytes", "runtime_bytes",
                 "kept_bytes", "free_bytes")
        assert sum(ledger[part] for part in parts) == ledger["memory_bytes"]
        assert each["fits"] == (ledger["free_bytes"] >= 0)
        assert each["fits"] == (each["tpot_ms"] is not None)
        for name in ("ttft_ms", "tpot_ms", "tokens_per_s", "usd_per_million_tokens"):
            if each[name]:
                assert 0 < each[name]["low"] <= each[name]["likely"] <= each[name]["high"]
    unsupported, = configurations("--gpu", "a100-80", "--weights", "fp8")
    assert not unsupported["fits"] and "sm_89" in unsupported["reasons"][0]
    figure = report["devices"]["t4"]["bandwidth_gb_per_s"]
    assert figure["value"] == 320 and figure["source"] and figure["date"]
    assert figure["verified"] is False


def test_flags_narrow_the_plan():
    made = configurations("deepseek-coder-6.7b", "--gpu", "rtx4090", "--gpus", 2, "--weights",
                          "int4", "--kv", "int8", "--batch", 4, "--context", 8000)
    assert [each["split"] for each in made] == ["replica", "tensor"]
    for each in made:
        assert (each["gpu"], each["gpus"], each["weights"], each["kv"]) == ("rtx4090", 2, "int4",
                                                                           "int8")
        assert (each["batch"], each["context"]) == (4, 8000)
    assert made[0]["ledger"]["kv_bytes_per_token"] == 2 * 32 * 32 * (128 + 4)
    assert made[0]["ledger"]["kv_bytes"] == 4 * 8000 * 2 * 32 * 32 * (128 + 4)


def test_a_target_ranks_by_price_and_gives_reasons():
    arguments = ["--qps", 5, "--input", 512, "--output", 256, "--ttft-ms", 500, "--tpot-ms", 50]
    made = configurations(*arguments)
    met = [each for each in made if each["meets_target"]]
    assert met and made[:len(met)] == met
    prices = [each["usd_per_hour"] for each in met if each["usd_per_hour"]]
    assert prices == sorted(prices)
    assert all(each["reasons"] for each in made if not each["meets_target"])
    done = plan(*arguments)
    assert width(done.stdout) <= 80 and "What the others lack" in done.stdout
    assert re.search(r"cpu .*requests/s of the 5.00", done.stdout.replace("\n  ", " "))
    assert "No configuration" in plan("--tpot-ms", 0.001).stdout


def test_explain_shows_inputs():
    text = plan("--gpu", "a100-80", "--gpus", 4, "--weights", "int4", "--explain").stdout
    assert width(text) <= 80
    for part in ("2039 GB/s", "22, 22, 21, 21", "491520 bytes = 2 x 30 layers x 32 heads x 128",
                 "60 all-reduces"):
        assert part in text, part


@pytest.mark.parametrize("batch, context, kv", [(4, 512, None), (1, 2048, "int8"), (64, 1024, None),
                                                (16, 2048, None)])
def test_the_ledger_is_what_serve_takes(batch, context, kv):
    asked = ["--kv", kv] if kv else []
    made, = configurations(MODEL, "--gpu", "cpu", "--weights", "fp16", "--batch", batch,
                           "--context", context, *asked)
    served = ["--kv-dtype", kv] if kv else []
    server = subprocess.Popen(
        [FATHOM, "serve", MODEL, "--port", "0", "--device", "cpu", "--max-batch-size", str(batch),
         "--max-context", str(context), *served],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    line = next(line for line in server.stderr if "memory:" in line)
    server.terminate()
    server.stderr.close()
    assert server.wait(20) == 0
    taken = [float(number) for number in re.findall(r"([\d.]+) MiB", line)]
    planned = [made["ledger"][part] / 2**20 for part in
               ("weights_bytes", "kv_bytes", "workspace_bytes", "logits_bytes", "runtime_bytes")]
    for one, other in zip(planned[:4], taken[:4]):
        assert abs(one - other) <= 0.06  # the log's last digit
    assert abs(sum(planned) / sum(taken) - 1) < 0.01, (planned, taken)


def test_bad_input_is_one_clear_line(tmp_path):
    hole = tmp_path / "catalogue.json"
    catalogue = json.loads((SOURCE / "src/plan/data/catalogue.json").read_text())
    del catalogue["gpus"][3]["memory_gib"]["date"]
    hole.write_text(json.dumps(catalogue))
    for arguments, expected in [
            (["--gpu", "rtx5090"], "t4, rtx3090, rtx4090"),
            (["--context", "5000"], "--context"),
            (["--gpu", "cpu", "--gpus", "2"], "--gpus"),
            (["no-such-model"], "deepseek-coder-6.7b"),
            (["--catalogue", hole], "gpus[3].memory_gib: field 'date' is missing"),
            (["--prices", tmp_path / "none.json"], "none.json"),
            (["--emit", "k8s"], "--gpu"),
            (["--gpu", "t4", "--emit", "serve"], "missing"),
            (["--gpu", "h100", "--weights", "int4", "--emit", "serve"], "--emit")]:
        done = plan(*arguments)
        assert done.returncode == 1, (arguments, done)
        assert expected in done.stderr and done.stderr.count("\n") == 1, done.stderr
        assert not done.stdout
    for arguments in (["--batch", "-1"], ["--qps", "-2"], ["--weights", "fp7"], ["--gpus", "0"],
                      ["--emit", "helm", "--gpu", "t4"], ["--layers", "2"], ["--nope"]):
        done = plan(*arguments)
        assert done.returncode == 2 and " --help" in done.stderr, (arguments, done)


def test_prices_and_catalogues_can_be_brought(tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({
        "sources": {"mine": "my contract"},
        "prices": [{"gpu": "a6000", "low": 0.5, "high": 0.7, "source": "mine", "date": "2026-11",
                    "verified": True}]}))
    for made in (configurations("--gpu", "a6000", "--prices", prices),
                 configurations("--gpu", "a6000", FATHOM_PRICES=str(prices))):
        assert made[0]["usd_per_hour"] == pytest.approx(0.6)
    catalogue = tmp_path / "catalogue.json"
    text = (SOURCE / "src/plan/data/catalogue.json").read_text()
    catalogue.write_text(text.replace('"name": "t4"', '"name": "my-card"'))
    assert configurations("--gpu", "my-card", "--catalogue", catalogue)


def test_help():
    done = plan("--help")
    assert done.returncode == 0 and "Examples:" in done.stdout and width(done.stdout) <= 80


def emitted(form, *arguments):
    done = plan(*arguments, "--emit", form)
    assert done.returncode == 0, done.stderr
    return done.stdout


SERVED = [["--gpu", "a6000", "--gpus", "2", "--kv", "int8"],
          ["--gpu", "h200", "--weights", "fp8", "--kv", "fp8"],
          ["--gpu", "t4", "--context", "1024"],
          ["--qps", "5", "--tpot-ms", "50"],
          [str(MODEL), "--gpu", "cpu"]]


@pytest.mark.parametrize("arguments", SERVED)
def test_serve_takes_the_flags(arguments):
    lines = [line for line in emitted("serve", *arguments).splitlines() if line[0] != "#"]
    assert lines
    for line in lines:
        words = shlex.split(line.removesuffix(" &"))
        assert words[:2] == ["fathom", "serve"]
        # A folder that is not there: what is wrong is found after the flags were read.
        done = subprocess.run([FATHOM, "serve", "/no/such/model", *words[3:]], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 1 and "no such folder" in done.stderr, done.stderr


def test_the_emitted_server_serves():
    line = emitted("serve", MODEL, "--gpu", "cpu", "--batch", "3").splitlines()[1]
    words = shlex.split(line)
    assert "--max-batch-size 3" in line
    assert words[2] == str(MODEL)
    server = Server(*words[3:-2])
    assert server.stop() == 0


@pytest.mark.parametrize("arguments", SERVED)
def test_kubernetes_takes_the_manifests(arguments):
    deployment, service = yaml.safe_load_all(emitted("k8s", *arguments))
    for each in (deployment, service):
        kubernetes_validate.validate(each, "1.30", strict=True)
    spec = deployment["spec"]["template"]["spec"]
    container, = spec["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["startupProbe"]["failureThreshold"] > 5
    drain = int(container["args"][container["args"].index("--drain-seconds") + 1])
    assert spec["terminationGracePeriodSeconds"] > drain
    limits = container["resources"].get("limits", {})
    assert limits == ({} if "cpu" in arguments else {"nvidia.com/gpu": 1})
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]


def is_understood(given, read):
    """Whether every field of the file is one that the schema's classes know."""
    if isinstance(given, dict) and isinstance(read, dict):
        return all(key in read and is_understood(given[key], read[key]) for key in given)
    if isinstance(given, list) and isinstance(read, list):
        return len(given) == len(read) and all(map(is_understood, given, read))
    return True


@pytest.mark.parametrize("arguments", SERVED)
def test_compose_takes_the_file(arguments):
    file = yaml.safe_load(emitted("compose", *arguments))
    read = compose_spec.ComposeSpecification.model_validate(file).model_dump(
        exclude_none=True, by_alias=True)
    assert is_understood(file, read), (file, read)
    for service in file["services"].values():
        assert service["command"][0] == "serve"


@pytest.mark.parametrize("arguments", SERVED)
def test_a_shell_reads_the_docker_commands(arguments):
    lines = [line for line in emitted("docker", *arguments).splitlines() if line[0] != "#"]
    for line in lines:
        words = shlex.split(line)
        assert words[:2] == ["docker", "run"] and "serve" in words
        assert ("--gpus" in words) == ("cpu" not in arguments)


def test_what_was_measured_decides_later_plans(tmp_path):
    """On two layers: the figures may be bad on a busy machine, but must be used."""
    file = tmp_path / "config/fathom/calibration.json"
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    environment.pop("FATHOM_CALIBRATION", None)

    def run(*arguments):
        done = subprocess.run([FATHOM, "plan", *arguments, "--json"], capture_output=True,
                              text=True, timeout=280, env=environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    before = run("--gpu", "cpu")
    assert not before["devices"]["cpu"]["bandwidth_gb_per_s"]["verified"]
    assert not before["configurations"][0]["host"]["disk_is_measured"]
    report = run("--calibrate", "--device", "cpu", "--layers", "1")
    assert report["layers"] == 1 and report["model_layers"] == 30
    assert {each["phase"] for each in report["samples"]} == {"step", "prompt"}
    for each in report["samples"]:
        # What was fitted to these samples holds them.
        assert (each["calibrated_ms"]["low"] <= each["measured_ms"] <=
                each["calibrated_ms"]["high"])
        likely = each["predicted_ms"]["likely"]
        assert each["error"] == pytest.approx(likely / each["measured_ms"] - 1)
    after = run("--gpu", "cpu")
    device = after["devices"]["cpu"]
    assert device["bandwidth_gb_per_s"]["verified"] and device["efficiency"]["measured"]
    assert device["bandwidth_gb_per_s"]["value"] == report["rates"]["read_gb_per_s"]
    assert after["configurations"][0]["host"]["disk_is_measured"]
    assert len(json.loads(file.read_text())["devices"]) == 1
    # Of another device nothing changes.
    other = [run("--gpu", "l4", *flags)["devices"]["l4"]
             for flags in ([], ["--calibration", str(tmp_path / "none.json")])]
    assert other[0] == other[1]
    file.write_text("{")
    done = subprocess.run([FATHOM, "plan"], capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and "calibration.json" in done.stderr


def test_a_small_model_is_no_guide():
    done = plan(MODEL, "--calibrate", "--device", "cpu")
    assert done.returncode == 1 and "caches" in done.stderr
