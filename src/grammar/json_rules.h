// The pieces of JSON text as expressions: what a model may write where the schema leaves it free.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/expression.h"

namespace fathom::grammar {

// Nothing a model may repeat without end stands outside of strings, arrays and objects: white space
// and the digits of numbers are bounded.
class JsonRules {
 public:
  struct Property {
    std::string name;
    ExpressionId value;
    bool required;
  };
  struct Items {
    std::vector<ExpressionId> prefix;
    ExpressionId rest;
    std::uint32_t min = 0;
    std::uint32_t max = kUnbounded;
  };

  // The expressions must outlive this.
  explicit JsonRules(Expressions& expressions) : expressions_(expressions) {}

  // Behind `{`, `[` and `,` and before `}` and `]`: nothing, a space, or a line break and up to
  // 32 spaces or 8 tabs.
  ExpressionId space();
  ExpressionId any_value();
  ExpressionId any_object();
  ExpressionId any_array();
  // With the quotes; all escapes of JSON, surrogates in pairs only.
  ExpressionId any_string();
  // One character of such a string.
  ExpressionId string_character();
  // At most 18 digits before the point, 17 behind it, 2 in the exponent.
  ExpressionId any_number();
  ExpressionId any_integer();
  ExpressionId boolean();
  ExpressionId null() { return expressions_.literal("null"); }
  // The value itself, white space as anywhere.
  ExpressionId constant(const boost::json::value& value);

  // The properties in this order; then any number of others if `other` gives their value.
  ExpressionId object(std::span<const Property> properties, std::optional<ExpressionId> other);
  ExpressionId array(const Items& items);

 private:
  // A rule made when first asked for.
  template <typename MakeBody>
  ExpressionId shared(std::optional<RuleId>& rule, std::string_view name, MakeBody make_body);
  ExpressionId set_of(std::initializer_list<CodePointRange> ranges, std::uint32_t min = 1,
                      std::uint32_t max = 1);
  ExpressionId separator();
  ExpressionId member(ExpressionId key, ExpressionId value);
  ExpressionId key_other_than(std::span<const Property> properties);
  ExpressionId rest_of_other_key();

  Expressions& expressions_;
  std::optional<RuleId> space_;
  std::optional<RuleId> value_;
  std::optional<RuleId> object_;
  std::optional<RuleId> array_;
  std::optional<RuleId> string_;
  std::optional<RuleId> character_;
  std::optional<RuleId> number_;
  std::optional<RuleId> rest_of_key_;
};

// Longer names than this cannot be told from other properties' names.
constexpr std::size_t kMaxDistinctNameBytes = 256;

}  // namespace fathom::grammar
