// ModelBytes: what a model takes in each precision, by arithmetic of its ModelSpec.
//
// Embedding and head stay in 16 bits where the layers' matrices are quantized; int8 and fp8 have a
// scale for each output, int4 one scale and zero point for each group of 128.
#pragma once

#include <cstdint>
#include <string>

#include "spec/model_spec.h"

namespace fathom::diagnose {

struct ModelBytes {
  std::string name;
  std::int64_t weights_16_bit = 0;
  std::int64_t weights_8_bit = 0;
  std::int64_t weights_4_bit = 0;
  std::int64_t read_per_token = 0;  // in 16 bits: all but the embedding's table
  std::int64_t parameters_per_token = 0;
  std::int64_t kv_per_token_16_bit = 0;
  std::int64_t kv_per_token_8_bit = 0;
  std::int64_t max_context_tokens = 0;

  // Workspace, logits and what the CUDA runtime takes: not measured here, so a round figure.
  static constexpr std::int64_t kOverhead = std::int64_t{1} << 30;
};

ModelBytes model_bytes(const spec::ModelSpec& spec, std::string name);

}  // namespace fathom::diagnose
