// Two columns of text.
#include "help_formatter.h"

#include <CLI/CLI.hpp>
#include <sstream>
#include <string>

namespace fathom::app {
namespace {

constexpr std::size_t kColumn = 30;
constexpr std::size_t kWidth = 80;

// `left` in its column, `right` wrapped word by word beside it.
std::string two_columns(const std::string& left, const std::string& right) {
  std::string out = "  " + left;
  std::size_t at = out.size();
  const auto new_line = [&] {
    out += "\n" + std::string(kColumn, ' ');
    at = kColumn;
  };
  if (at >= kColumn) {
    new_line();
  } else {
    out += std::string(kColumn - at, ' ');
    at = kColumn;
  }
  std::istringstream words(right);
  for (std::string word; words >> word;) {
    if (at > kColumn && at + 1 + word.size() > kWidth) new_line();
    if (at > kColumn) {
      out += ' ';
      ++at;
    }
    out += word;
    at += word.size();
  }
  return out + "\n";
}

// The library appends what a value is checked for to its type: "INT:INT in [0 - 9]".
std::string value_name(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::string name = type.substr(0, type.find(':'));
  return name == "INT" || name == "UINT" || name == "FLOAT" ? "N" : name;
}

class HelpFormatter final : public CLI::Formatter {
 public:
  // One option: its name and value in the left column, its description wrapped in the right.
  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    std::string left = option->get_name(is_positional, true);
    const bool takes_value = option->get_type_size() != 0;
    if (!is_positional && takes_value) left += " " + value_name(*option);
    std::string right = option->get_description();
    if (takes_value && !option->get_default_str().empty()) {
      right += " (default: " + option->get_default_str() + ")";
    }
    return two_columns(left, right);
  }

  // One command of the overview.
  std::string make_subcommand(const CLI::App* command) const override {
    return two_columns(command->get_display_name(), command->get_description());
  }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> make_help_formatter() {
  return std::make_shared<HelpFormatter>();
}

}  // namespace fathom::app
