// Parameter counts and rotary frequencies.
#include "spec/model_spec.h"

#include <cmath>
#include <numbers>

namespace fathom::spec {

std::string_view name(Architecture architecture) {
  switch (architecture) {
    case Architecture::kLlama:
      return "LlamaForCausalLM";
    case Architecture::kQwen2:
      return "Qwen2ForCausalLM";
  }
  return "unknown";
}

std::int64_t ModelSpec::layer_parameters() const {
  std::int64_t count = hidden_size * (q_size() + 2 * kv_size()) + q_size() * hidden_size;
  count += 3 * hidden_size * intermediate_size + 2 * hidden_size;
  if (qkv_bias) count += q_size() + 2 * kv_size();
  if (attention_output_bias) count += hidden_size;
  if (mlp_bias) count += 2 * intermediate_size + hidden_size;
  return count;
}

std::int64_t ModelSpec::total_parameters() const {
  const std::int64_t embeddings = vocab_rows * hidden_size * (tied_embeddings ? 1 : 2);
  return num_layers * layer_parameters() + embeddings + hidden_size;
}

std::vector<float> rope_frequencies(const RopeSpec& rope, std::int64_t head_dim) {
  std::vector<float> frequencies(static_cast<std::size_t>(head_dim / 2));
  for (std::int64_t i = 0; i < head_dim / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    float frequency = 1.0F / std::pow(static_cast<float>(rope.theta), exponent);
    if (rope.scaling == RopeSpec::Scaling::kLinear) {
      frequency /= static_cast<float>(rope.factor);
    } else if (rope.scaling == RopeSpec::Scaling::kLlama3) {
      // As in Llama 3.1's reference code: by wavelength, a ramp between two bounds.
      const double wavelength = 2.0 * std::numbers::pi / frequency;
      const double original = static_cast<double>(rope.original_max_position);
      if (wavelength > original / rope.low_freq_factor) {
        frequency = static_cast<float>(frequency / rope.factor);
      } else if (wavelength >= original / rope.high_freq_factor) {
        const double smooth = (original / wavelength - rope.low_freq_factor) /
                              (rope.high_freq_factor - rope.low_freq_factor);
        frequency =
            static_cast<float>((1.0 - smooth) * frequency / rope.factor + smooth * frequency);
      }
    }
    frequencies[static_cast<std::size_t>(i)] = frequency;
  }
  return frequencies;
}

}  // namespace fathom::spec
