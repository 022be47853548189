// Typed fields or an error.
#include "tokenizer/json_reader.h"

#include <boost/json.hpp>

namespace fathom::tokenizer {

namespace json = boost::json;
using base::Error;
using base::ErrorCode;
using base::fail;
using base::Result;

std::string_view JsonReader::view(const json::string& text) { return {text.data(), text.size()}; }

const json::value* JsonReader::find(const json::object& object, std::string_view field) {
  const json::value* value = object.if_contains(field);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Error JsonReader::bad(std::string_view field, std::string_view problem) const {
  return fail(ErrorCode::kInvalidArgument, where_, "{}: {}", field, problem);
}
Error JsonReader::unimplemented(std::string_view field, std::string_view type) const {
  return fail(ErrorCode::kUnimplemented, where_, "{} '{}' is not implemented", field,
              type.substr(0, 64));
}

Result<void> JsonReader::refuse(const json::object& object,
                                std::initializer_list<const char*> fields) const {
  for (const char* field : fields) {
    const json::value* value = find(object, field);
    if (value == nullptr || *value == json::value(false) || *value == json::value("")) continue;
    return fail(ErrorCode::kUnimplemented, where_, "'{}' is not implemented", field);
  }
  return {};
}

Result<std::string_view> JsonReader::type_of(const json::value& value,
                                             std::string_view field) const {
  const json::object* object = value.if_object();
  const json::value* type = object != nullptr ? object->if_contains("type") : nullptr;
  if (type == nullptr || !type->is_string()) return bad(field, "no type");
  return view(type->get_string());
}

Result<bool> JsonReader::flag(const json::object& object, std::string_view field) const {
  const json::value* value = find(object, field);
  if (value == nullptr) return false;
  if (!value->is_bool()) return bad(field, "neither true nor false");
  return value->get_bool();
}

}  // namespace fathom::tokenizer
