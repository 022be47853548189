// Who holds a GPU's memory, whether the model fits, and what each remedy frees.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "diagnose/checks/gpu_text.h"
#include "diagnose/checks/theme.h"
#include "diagnose/quantity_text.h"

namespace fathom::diagnose {
namespace {

constexpr FindingKind kHeld{"gpu-memory-held-by-others", Severity::kWarning,
                            "other processes hold over 5 % of a GPU's memory"};
constexpr FindingKind kBlocked{"gpu-memory-too-little-free", Severity::kError,
                               "the model would fit the GPU, but not what is free of it"};
constexpr FindingKind kTooLarge{"gpu-memory-too-small", Severity::kError,
                                "the model's 16-bit weights exceed the GPU's memory"};
constexpr FindingKind kLittleKv{"gpu-memory-little-kv", Severity::kWarning,
                                "weights fit the GPU, but not one full context beside them"};
constexpr FindingKind kMig{"gpu-mig-enabled", Severity::kInfo,
                           "the GPU is split into instances (MIG)"};
constexpr FindingKind kExclusive{"gpu-compute-mode", Severity::kWarning,
                                 "the GPU's compute mode refuses processes"};
constexpr std::array kKinds{kHeld, kBlocked, kTooLarge, kLittleKv, kMig, kExclusive};

constexpr double kHeldShare = 0.05;
constexpr std::size_t kShownProcesses = 3;

std::string holders(const GpuMemoryFacts& memory) {
  if (!memory.processes) return "which processes: not supported here";
  if (memory.processes->empty()) {
    return "no process that this one may see: perhaps another container's or user's";
  }
  std::string text;
  for (std::size_t i = 0; i < std::min(kShownProcesses, memory.processes->size()); ++i) {
    const ProcessFacts& process = (*memory.processes)[i];
    text += fmt::format("{}{} (pid {}) {}", i == 0 ? "" : ", ", process.name.value_or("a process"),
                        process.pid,
                        process.used_bytes ? bytes_text(*process.used_bytes) : "an unknown amount");
  }
  if (memory.processes->size() > kShownProcesses) {
    text += fmt::format(" and {} more", memory.processes->size() - kShownProcesses);
  }
  return text;
}

std::int64_t context_bytes(const ModelBytes& model) {
  return model.max_context_tokens * model.kv_per_token_16_bit;
}

// Without any KV cache.
std::int64_t least_bytes(const ModelBytes& model) {
  return model.weights_16_bit + ModelBytes::kOverhead;
}

// What each change gives, in bytes.
std::string remedies(const ModelBytes& model, const GpuFacts& gpu) {
  std::string text;
  if (gpu.architecture.value_or(0) >= 89) {
    text += fmt::format("--dtype fp8 frees {} of weights; ",
                        bytes_text(model.weights_16_bit - model.weights_8_bit));
  }
  const std::int64_t half_context = model.max_context_tokens / 2 * model.kv_per_token_16_bit;
  text += fmt::format(
      "--kv-dtype int8 frees {} of {} KiB for each token of context; --max-context {} frees {} for "
      "each sequence; 4-bit weights (a GPTQ or AWQ checkpoint) free {}. Gradient accumulation and "
      "checkpointing help training, not serving.",
      (model.kv_per_token_16_bit - model.kv_per_token_8_bit) >> 10, model.kv_per_token_16_bit >> 10,
      model.max_context_tokens / 2, bytes_text(half_context),
      bytes_text(model.weights_16_bit - model.weights_4_bit));
  return text;
}

std::string room_text(const ModelBytes& model, std::int64_t bytes) {
  const std::int64_t left = bytes - model.weights_16_bit - ModelBytes::kOverhead;
  if (left < 0)
    return fmt::format("{} are missing for weights and runtime alone", bytes_text(-left));
  return fmt::format("{} tokens of KV cache fit beside the weights",
                     left / std::max<std::int64_t>(model.kv_per_token_16_bit, 1));
}

std::string needs_text(const ModelBytes& model) {
  return fmt::format(
      "{} needs {} for 16-bit weights, about {} for the runtime, and {} for one context of {} "
      "tokens",
      model.name, bytes_text(model.weights_16_bit), bytes_text(ModelBytes::kOverhead),
      bytes_text(context_bytes(model)), model.max_context_tokens);
}

Finding too_small(const FindingKind& kind, const ModelBytes& model, const GpuFacts& gpu) {
  return make_finding(
      kind, {.evidence = fmt::format("{} has {}; {}.", label(gpu),
                                     bytes_text(*gpu.memory.total_bytes), needs_text(model)),
             .consequence =
                 fmt::format("On the empty GPU {}.", room_text(model, *gpu.memory.total_bytes)),
             .fix = remedies(model, gpu),
             .next_command = fmt::format("fathom serve {} --kv-dtype int8 --max-context {}",
                                         model.name, model.max_context_tokens / 2)});
}

// Whether something was said of the model's size.
bool check_model(const ModelBytes& model, const GpuFacts& gpu, Findings& findings) {
  const GpuMemoryFacts& memory = gpu.memory;
  if (!memory.total_bytes) return false;
  if (least_bytes(model) > *memory.total_bytes) {
    findings.push_back(too_small(kTooLarge, model, gpu));
    return true;
  }
  if (memory.free_bytes && least_bytes(model) > *memory.free_bytes) {
    findings.push_back(make_finding(
        kBlocked,
        {.evidence = fmt::format("{}: {} of {} are free; held by {}. {}.", label(gpu),
                                 bytes_text(*memory.free_bytes), bytes_text(*memory.total_bytes),
                                 holders(memory), needs_text(model)),
         .consequence = fmt::format("With what is free, {}.", room_text(model, *memory.free_bytes)),
         .fix = "End what holds the memory, or choose another GPU (--device cuda:N). " +
                remedies(model, gpu),
         .next_command = "nvidia-smi --query-compute-apps=pid,used_memory --format=csv"}));
    return true;
  }
  if (least_bytes(model) + context_bytes(model) <= *memory.total_bytes) return false;
  findings.push_back(too_small(kLittleKv, model, gpu));
  return false;
}

void check_held(const GpuFacts& gpu, Findings& findings) {
  const GpuMemoryFacts& memory = gpu.memory;
  if (!memory.total_bytes || !memory.used_bytes) return;
  const auto share = static_cast<double>(*memory.used_bytes) /
                     static_cast<double>(std::max<std::int64_t>(*memory.total_bytes, 1));
  if (share <= kHeldShare) return;
  findings.push_back(make_finding(
      kHeld,
      {.evidence = fmt::format("{}: {} of {} are in use ({:.0f} %); {}.", label(gpu),
                               bytes_text(*memory.used_bytes), bytes_text(*memory.total_bytes),
                               100 * share, holders(memory)),
       .consequence = "The KV cache of a server started now is smaller by that much.",
       .fix = "End what is not needed, or keep this server's part apart with "
              "--gpu-memory-limit.",
       .next_command = "nvidia-smi --query-compute-apps=pid,used_memory --format=csv"}));
}

void check_modes(const GpuFacts& gpu, Findings& findings) {
  if (gpu.mig_enabled.value_or(false)) {
    findings.push_back(make_finding(
        kMig,
        {.evidence = fmt::format("{}: MIG is on.", label(gpu)),
         .consequence = "A process sees one instance, with its part of the memory and of the "
                        "bandwidth; the figures here are those of the whole GPU.",
         .fix = "Give the server the instance that it shall use, by CUDA_VISIBLE_DEVICES=MIG-...",
         .next_command = "nvidia-smi -L"}));
  }
  const std::string mode = gpu.compute_mode.value_or("default");
  const bool is_taken = !gpu.memory.processes.value_or(std::vector<ProcessFacts>{}).empty();
  if (mode == "prohibited" || (mode == "exclusive" && is_taken)) {
    findings.push_back(make_finding(
        kExclusive, {.evidence = fmt::format("{}: compute mode is {}{}.", label(gpu), mode,
                                             is_taken ? ", and a process has it" : ""),
                     .consequence = "A further process cannot open this GPU.",
                     .fix = "Set the compute mode back to default, or use another GPU.",
                     .next_command = fmt::format("nvidia-smi -i {} -c DEFAULT", gpu.index)}));
  }
}

// Then what is taken is most likely taken by it.
bool is_serving_here(const Facts& facts) {
  return std::ranges::any_of(facts.servers, [](const ServerFacts& server) {
    return server.is_local.value_or(false) && !server.problem;
  });
}

void check(const CheckInput& input, Findings& findings) {
  const bool is_serving = is_serving_here(input.facts);
  for (const GpuFacts& gpu : input.facts.gpus) {
    const bool said =
        !is_serving && input.model != nullptr && check_model(*input.model, gpu, findings);
    if (!is_serving && !said) check_held(gpu, findings);
    check_modes(gpu, findings);
  }
}

}  // namespace

const Theme& gpu_memory_theme() {
  static constexpr Theme kTheme{"GPU memory", kKinds, check};
  return kTheme;
}

}  // namespace fathom::diagnose
