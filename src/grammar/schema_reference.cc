// JSON pointers in URI fragments, as far as definitions need them.
#include "grammar/schema_reference.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <string>

namespace fathom::grammar {
namespace {

using base::Result;

// One token of a JSON pointer in a URI fragment.
Result<std::string> decode(const SchemaNode& node, std::string_view token) {
  std::string name;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const auto next_two = token.substr(i + 1, 2);
    if (token[i] == '/') return node.error("'$ref' to a part of a definition is not supported");
    if (token[i] == '~') {
      if (!next_two.starts_with('0') && !next_two.starts_with('1'))
        return node.error("'$ref' has a '~' that is neither '~0' nor '~1'");
      name.push_back(token[++i] == '0' ? '~' : '/');
    } else if (token[i] == '%' && next_two.size() == 2 &&
               next_two.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos) {
      name.push_back(static_cast<char>(std::stoi(std::string(next_two), nullptr, 16)));
      i += 2;
    } else {
      name.push_back(token[i]);
    }
  }
  return name;
}

}  // namespace

Result<SchemaNode> find_referenced(const SchemaNode& node, std::string_view reference,
                                   const SchemaNode& root) {
  for (const std::string_view folder : {"$defs", "definitions"}) {
    const std::string prefix = fmt::format("#/{}/", folder);
    if (!reference.starts_with(prefix)) continue;
    const std::string name = TRY(decode(node, reference.substr(prefix.size())));
    const auto* members = root.value().if_object();
    const auto* schemas = members != nullptr ? members->if_contains(folder) : nullptr;
    const auto* list = schemas != nullptr ? schemas->if_object() : nullptr;
    const auto* schema = list != nullptr ? list->if_contains(name) : nullptr;
    if (schema == nullptr)
      return node.error(fmt::format("'$ref' names '{}', which is not there", reference));
    return root.child(folder).child(name, *schema);
  }
  return node.error(fmt::format(
      "'$ref' to '{}' is not supported; only '#', '#/$defs/NAME' and '#/definitions/NAME' are",
      reference));
}

}  // namespace fathom::grammar
