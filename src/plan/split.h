// Split: how several devices share a model, and what the largest part is.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "plan/precision.h"
#include "spec/model_spec.h"

namespace fathom::plan {

enum class Split {
  kReplica,  // every device has the whole model and its own requests
  kTensor,   // every layer is cut; each device has a part of it
};

// "replica", "tensor".
std::string_view name(Split split);

// How many of `total` equal units each of `ranks` gets: 86 over 4 are 22, 22, 21, 21.
std::vector<std::int64_t> share(std::int64_t total, int ranks);

// What the largest of `ranks` has of a model: heads and feed-forward columns are cut, hidden size,
// vocabulary and norms are whole. Columns of int4 weights are cut between groups.
spec::ModelSpec largest_rank(const spec::ModelSpec& spec, int ranks, Weights weights);
// Rows of embedding and head that it has.
std::int64_t rank_vocab_rows(const spec::ModelSpec& spec, int ranks);

// All-reduces of `bytes` each that a step makes, two a layer: seconds of one of them.
double all_reduce_seconds(const Accelerator& device, int ranks, double bytes);

// What NCCL's buffers take of each device.
std::int64_t collective_bytes(int ranks);

}  // namespace fathom::plan
