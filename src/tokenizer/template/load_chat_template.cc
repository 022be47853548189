// Chat templates of model folders.
#include "base/file.h"
#include "tokenizer/template/chat_template.h"

namespace fathom::tokenizer {
namespace {

constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{16} << 20;

// A file's content, or nothing when there is no such file.
base::Result<std::optional<std::string>> read_if_present(const std::filesystem::path& path) {
  auto content = base::read_file(path, kMaxConfigBytes);
  if (content) return std::optional<std::string>(std::move(*content));
  if (content.error().code == base::ErrorCode::kNotFound) return std::optional<std::string>();
  return std::move(content).error();
}

}  // namespace

base::Result<std::optional<ChatTemplate>> load_chat_template(const std::filesystem::path& folder) {
  const std::filesystem::path template_path = folder / "chat_template.jinja";
  const std::filesystem::path config_path = folder / "tokenizer_config.json";
  const auto source = TRY(read_if_present(template_path));
  const auto config = TRY(read_if_present(config_path));
  if (!source) {
    if (!config) return std::optional<ChatTemplate>();
    return ChatTemplate::from_tokenizer_config(*config, config_path.native());
  }
  ChatTemplate parsed = TRY(ChatTemplate::parse(*source, template_path.native()));
  if (config) parsed = TRY(parsed.with_special_tokens(*config, config_path.native()));
  return std::optional<ChatTemplate>(std::move(parsed));
}

}  // namespace fathom::tokenizer
