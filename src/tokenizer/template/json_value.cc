// Conversion of JSON.
#include "tokenizer/template/json_value.h"

#include <algorithm>
#include <boost/json.hpp>

namespace fathom::tokenizer::jinja {
namespace {

namespace json = boost::json;

Result<Value> untrusted_string(json::string_view bytes, Budget& budget) {
  return make_string(Text(std::string(bytes), true), budget);
}

Result<Value> dict_from_json(const json::object& object, Budget& budget) {
  TRY(budget.charge_bytes(object.size() * 2 * sizeof(Value) + sizeof(Dict)));
  // Built here and not by make_dict, which looks for duplicate keys: JSON objects have none.
  auto dict = std::make_shared<Dict>();
  dict->entries.reserve(object.size());
  for (const auto& member : object) {
    Value key = TRY(untrusted_string(member.key(), budget));
    Value value = TRY(value_from_json(member.value(), budget));
    dict->depth = std::max(dict->depth, value.depth() + 1);
    dict->is_untrusted = true;
    dict->entries.emplace_back(std::move(key), std::move(value));
  }
  return Value::dict(std::move(dict));
}

}  // namespace

Result<Value> value_from_json(const json::value& value, Budget& budget) {
  switch (value.kind()) {
    case json::kind::null:
      return Value::none();
    case json::kind::bool_:
      return Value::boolean(value.get_bool());
    case json::kind::int64:
      return Value::integer(value.get_int64());
    case json::kind::uint64:
      return fail(ErrorCode::kOutOfRange, "", "the integer {} goes beyond 64 bits",
                  value.get_uint64());
    case json::kind::double_:
      return Value::number(value.get_double());
    case json::kind::string:
      return untrusted_string(value.get_string(), budget);
    case json::kind::array: {
      std::vector<Value> items;
      for (const auto& item : value.get_array()) {
        items.push_back(TRY(value_from_json(item, budget)));
      }
      return make_sequence(SequenceType::kList, std::move(items), budget);
    }
    case json::kind::object:
      return dict_from_json(value.get_object(), budget);
  }
  return Value::none();
}

}  // namespace fathom::tokenizer::jinja
