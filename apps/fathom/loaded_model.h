// A model made ready for a command: folder found and checked, weights, tokenizer, template.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "device/device.h"
#include "engine/engine.h"
#include "model/decoder.h"
#include "model/weights.h"
#include "tokenizer/template/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name
class App;
}

namespace fathom::app {

// Flags that every command with a model has.
struct ModelFlags {
  std::string model;                       // a folder, or the name of a pulled model
  std::string device = "auto";             // auto | cpu | cuda | cuda:N
  std::string dtype = "auto";              // auto | fp32 | bf16 | fp16 | fp8
  int threads = 0;                         // 0: one for each core
  std::size_t gpu_memory_limit_bytes = 0;  // 0: none
  bool force = false;                      // load in spite of the identity gate
};

void add_model_flags(CLI::App& command, ModelFlags& flags);

// Adds --kv-dtype, one of names that kv_dtype() knows.
void add_kv_dtype_flag(CLI::App& command, std::string& name);
void add_determinism_flag(CLI::App& command, model::Determinism& determinism);
// The type that --kv-dtype names; without a name, that of the activations. An error if the device
// has no such cache.
base::Result<tensor::DType> kv_dtype(const std::string& name, tensor::DType of_activations,
                                     const device::Device& device);

struct LoadedModel {
  std::string name;  // the last part of the folder's or the hub's name
  std::unique_ptr<device::Device> device;
  std::shared_ptr<const model::Weights> weights;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;
  std::optional<tokenizer::ChatTemplate> chat_template;

  const spec::ModelSpec& spec() const { return weights->spec(); }
  // "8.9 million parameters".
  std::string size_text() const;
};

// Opens, checks and loads; tells on standard error what took how long.
base::Result<LoadedModel> load_model(const ModelFlags& flags);

}  // namespace fathom::app
