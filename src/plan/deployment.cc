// One function a form.
#include "plan/deployment.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <filesystem>

#include "base/checked.h"
#include "plan/text_layout.h"

namespace fathom::plan {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

constexpr int kPort = 8000;
constexpr int kDrainSeconds = 30;
// For answers that end after the drain, and the process itself.
constexpr int kGraceSeconds = kDrainSeconds + 15;
constexpr int kProbeSeconds = 5;
constexpr std::string_view kHubFolder = "/root/.cache/huggingface";

// As a shell reads it back.
std::string shell_word(const std::string& word) {
  const bool is_plain = !word.empty() && std::ranges::all_of(word, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("_./:@=+-,").find(c) != std::string_view::npos;
  });
  if (is_plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

// A JSON string is a YAML string.
std::string yaml_text(const std::string& text) {
  return boost::json::serialize(boost::json::string(text));
}

std::string shell_line(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + shell_word(word);
  return line;
}

std::string yaml_list(const std::vector<std::string>& words) {
  std::vector<std::string> texts;
  for (const std::string& word : words) texts.push_back(yaml_text(word));
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

// Where a container finds the model, and what is mounted there.
struct Mount {
  std::string source;
  std::string target;
  std::string model;  // the argument of serve
};

Mount mount_of(const DeploymentTarget& target) {
  if (!target.is_folder) return {"$HOME/.cache/huggingface", std::string(kHubFolder), target.model};
  const std::string name = std::filesystem::path(target.model).filename();
  return {target.model, "/models/" + name, "/models/" + name};
}

// In a container there is one GPU, and clients come from outside.
std::vector<std::string> container_words(const Configuration& c, const DeploymentTarget& target) {
  DeploymentTarget inside = target;
  inside.model = mount_of(target).model;
  std::vector<std::string> words = serve_words(c, inside, 0);
  for (const std::string& word : {std::string("--host"), std::string("0.0.0.0"),
                                  std::string("--drain-seconds"), std::to_string(kDrainSeconds)}) {
    words.push_back(word);
  }
  return words;
}

std::string comment_text(const Configuration& c) {
  return fmt::format("# {} x{}, {} weights, {} KV cache: {} of {} tokens on each\n", c.device.title,
                     c.num_devices, name(c.weights), name(c.kv), c.throughput_batch,
                     c.context_tokens);
}

std::string serve_text(const Configuration& c, const DeploymentTarget& target) {
  std::string text = comment_text(c);
  for (int i = 0; i < c.num_instances(); ++i) {
    std::vector<std::string> words = serve_words(c, target, i);
    words.insert(words.begin(), "fathom");
    text += shell_line(words) + (c.num_instances() > 1 ? " &\n" : "\n");
  }
  return text;
}

std::string docker_text(const Configuration& c, const DeploymentTarget& target) {
  const Mount mount = mount_of(target);
  std::string text = comment_text(c);
  for (int i = 0; i < c.num_instances(); ++i) {
    text +=
        fmt::format("docker run --detach --name fathom-{} --stop-timeout {} ", i, kGraceSeconds);
    if (!c.device.is_cpu) text += fmt::format("--gpus device={} ", i);
    // $HOME is the shell's to fill in.
    const std::string source =
        target.is_folder ? shell_word(mount.source) : "\"" + mount.source + "\"";
    text += fmt::format("-p {}:{} -v {}:{}:ro {} {}\n", kPort + i, kPort, source,
                        shell_word(mount.target), shell_word(target.image),
                        shell_line(container_words(c, target)));
  }
  return text;
}

std::string compose_text(const Configuration& c, const DeploymentTarget& target) {
  const Mount mount = mount_of(target);
  std::string text = comment_text(c) + "services:\n";
  for (int i = 0; i < c.num_instances(); ++i) {
    text += fmt::format(
        "  fathom-{}:\n    image: {}\n    command: {}\n    ports: [{}]\n    volumes: [{}]\n"
        "    stop_grace_period: {}s\n    restart: unless-stopped\n",
        i, yaml_text(target.image), yaml_list(container_words(c, target)),
        yaml_text(fmt::format("{}:{}", kPort + i, kPort)),
        yaml_text(mount.source + ":" + mount.target + ":ro"), kGraceSeconds);
    if (c.device.is_cpu) continue;
    text += fmt::format(
        "    deploy:\n      resources:\n        reservations:\n          devices:\n"
        "            - driver: nvidia\n              device_ids: [\"{}\"]\n"
        "              capabilities: [gpu]\n",
        i);
  }
  return text;
}

// Host memory of one instance, in MiB: on a CPU the weights are read from the page cache, which
// counts, too.
std::int64_t host_mebibytes(const Configuration& c) {
  std::int64_t bytes = (c.host.process_bytes + c.host.staging_bytes) / c.num_instances();
  if (c.device.is_cpu) {
    bytes += c.ledger.weights_bytes + c.ledger.kv_bytes + c.ledger.workspace_bytes +
             c.ledger.logits_bytes;
  } else {
    bytes += std::int64_t{1} << 30;  // the driver's side, while weights pass through
  }
  return base::ceil_div(bytes, std::int64_t{1} << 20);
}

std::string resources_text(const Configuration& c) {
  std::string text = "          resources:\n";
  text += fmt::format("            requests: {{memory: {}Mi}}\n", host_mebibytes(c));
  if (!c.device.is_cpu) text += "            limits: {nvidia.com/gpu: 1}\n";
  return text;
}

// A start may take three times what is predicted, and half a minute more.
std::string probes_text(const Configuration& c) {
  const double seconds = 3 * c.host.load_seconds_cold + 30;
  const int failures = static_cast<int>(std::ceil(seconds / kProbeSeconds));
  return fmt::format(
      "          startupProbe:\n            httpGet: {{path: /readyz, port: http}}\n"
      "            periodSeconds: {}\n            failureThreshold: {}\n"
      "          readinessProbe:\n            httpGet: {{path: /readyz, port: http}}\n"
      "            periodSeconds: {}\n"
      "          livenessProbe:\n            httpGet: {{path: /livez, port: http}}\n"
      "            periodSeconds: 10\n            failureThreshold: 3\n",
      kProbeSeconds, failures, kProbeSeconds);
}

std::string kubernetes_text(const Configuration& c, const DeploymentTarget& target) {
  const Mount mount = mount_of(target);
  const std::string folder = target.is_folder ? "/models" : mount.target;
  std::string text = comment_text(c);
  text += "# The claim fathom-models holds " +
          (target.is_folder ? "the folder " + mount.target.substr(folder.size() + 1)
                            : "the model hub's cache, filled by fathom pull") +
          ".\n";
  text += fmt::format(
      "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: fathom\n"
      "  labels: {{app: fathom}}\nspec:\n  replicas: {}\n"
      "  selector:\n    matchLabels: {{app: fathom}}\n  template:\n    metadata:\n"
      "      labels: {{app: fathom}}\n    spec:\n      terminationGracePeriodSeconds: {}\n"
      "      containers:\n        - name: fathom\n          image: {}\n          args: {}\n"
      "          ports:\n            - {{name: http, containerPort: {}}}\n",
      c.num_instances(), kGraceSeconds, yaml_text(target.image),
      yaml_list(container_words(c, target)), kPort);
  text += resources_text(c) + probes_text(c);
  text += fmt::format(
      "          volumeMounts:\n            - {{name: models, mountPath: {}, readOnly: true}}\n"
      "      volumes:\n        - name: models\n          persistentVolumeClaim:\n"
      "            {{claimName: fathom-models, readOnly: true}}\n",
      yaml_text(folder));
  text += fmt::format(
      "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: fathom\n  labels: {{app: fathom}}\n"
      "spec:\n  selector: {{app: fathom}}\n  ports:\n"
      "    - {{name: http, port: {}, targetPort: http}}\n",
      kPort);
  return text;
}

}  // namespace

std::vector<std::string> serve_words(const Configuration& c, const DeploymentTarget& target,
                                     int index) {
  std::vector<std::string> words{"serve", target.model};
  const auto add = [&words](std::string_view flag, std::string value) {
    words.emplace_back(flag);
    words.push_back(std::move(value));
  };
  add("--device", c.device.is_cpu ? "cpu" : fmt::format("cuda:{}", index));
  const bool has_bf16 = compute_dtype(c.device) == tensor::DType::kBF16;
  add("--dtype", c.weights == Weights::kFp8 ? "fp8" : has_bf16 ? "bf16" : "fp16");
  if (c.kv != KvType::kFp16) add("--kv-dtype", std::string(name(c.kv)));
  add("--max-context", std::to_string(c.context_tokens));
  add("--max-batch-size", std::to_string(c.throughput_batch));
  // A CPU's cache is small unless more is asked for.
  if (c.device.is_cpu) {
    const std::int64_t mebibytes = base::ceil_div(c.ledger.kv_bytes, std::int64_t{1} << 20);
    add("--kv-memory", fmt::format("{}MiB", std::max<std::int64_t>(mebibytes, 1)));
  }
  add("--port", std::to_string(kPort + index));
  return words;
}

Result<std::string> deployment_text(const Configuration& c, const DeploymentTarget& target,
                                    DeploymentForm form) {
  if (!c.is_served || !c.fits()) {
    return fail(ErrorCode::kFailedPrecondition, "--emit", "serve of this build cannot run it: {}",
                fmt::join(c.reasons, "; "));
  }
  switch (form) {
    case DeploymentForm::kServe:
      return serve_text(c, target);
    case DeploymentForm::kDocker:
      return docker_text(c, target);
    case DeploymentForm::kCompose:
      return compose_text(c, target);
    case DeploymentForm::kKubernetes:
      return kubernetes_text(c, target);
  }
  return fail(ErrorCode::kInternal, "--emit", "an unknown form");
}

Result<Configuration> deployable(const Demand& demand,
                                 const std::vector<Configuration>& configurations) {
  std::string why;
  for (const Configuration& each : configurations) {
    if (each.fits() && each.is_served && each.meets_target.value_or(true)) {
      Configuration chosen = each;
      set_batch(demand, chosen.throughput_batch, chosen.context_tokens, chosen);
      return chosen;
    }
    if (why.empty() && !each.reasons.empty()) why = each.reasons.front();
  }
  return fail(ErrorCode::kFailedPrecondition, "--emit",
              "none of the {} configurations fits, meets the target and can be served by this "
              "build; the first: {}",
              configurations.size(), why);
}

}  // namespace fathom::plan
