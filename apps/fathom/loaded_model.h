// A model made ready for a command: folder found and checked, weights, tokenizer, template.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "device/device.h"
#include "device_flags.h"
#include "engine/engine.h"
#include "model/weights.h"
#include "tokenizer/template/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name
class App;
}

namespace fathom::app {

// Flags that every command with a model has.
struct ModelFlags : DeviceFlags {
  std::string model;   // a folder, or the name of a pulled model
  bool force = false;  // load in spite of the identity gate
};

void add_model_flags(CLI::App& command, ModelFlags& flags);

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
