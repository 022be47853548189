// Boost.JSON's streaming parser with a handler that also refuses duplicate keys.
#include "base/json.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <functional>
#include <string>
#include <vector>

namespace fathom::base {
namespace {

namespace json = boost::json;

// Feeds a value_stack and keeps a hash of each key of the objects that are still open.
class StrictHandler {
 public:
  // NOLINTBEGIN(readability-identifier-naming): the names that the parser looks for
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  // NOLINTEND(readability-identifier-naming)

  bool on_document_begin(json::error_code&) {
    stack_.reset();
    return true;
  }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) {
    object_starts_.push_back(key_hashes_.size());
    return true;
  }
  bool on_object_end(std::size_t count, json::error_code& code) {
    const auto first = key_hashes_.begin() + static_cast<std::ptrdiff_t>(object_starts_.back());
    std::sort(first, key_hashes_.end());
    // Equal hashes of different keys (one chance in 2^64 a pair) are refused as well.
    if (std::adjacent_find(first, key_hashes_.end()) != key_hashes_.end()) {
      has_duplicate_key_ = true;
      code = json::error::syntax;
      return false;
    }
    key_hashes_.erase(first, key_hashes_.end());
    object_starts_.pop_back();
    stack_.push_object(count);
    return true;
  }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_array_end(std::size_t count, json::error_code&) {
    stack_.push_array(count);
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    partial_key_.append(part.data(), part.size());
    stack_.push_chars(part);
    return true;
  }
  bool on_key(json::string_view part, std::size_t, json::error_code&) {
    partial_key_.append(part.data(), part.size());
    key_hashes_.push_back(std::hash<std::string>{}(partial_key_));
    partial_key_.clear();
    stack_.push_key(part);
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
    stack_.push_chars(part);
    return true;
  }
  bool on_string(json::string_view part, std::size_t, json::error_code&) {
    stack_.push_string(part);
    return true;
  }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t number, json::string_view, json::error_code&) {
    stack_.push_int64(number);
    return true;
  }
  bool on_uint64(std::uint64_t number, json::string_view, json::error_code&) {
    stack_.push_uint64(number);
    return true;
  }
  bool on_double(double number, json::string_view, json::error_code&) {
    stack_.push_double(number);
    return true;
  }
  bool on_bool(bool truth, json::error_code&) {
    stack_.push_bool(truth);
    return true;
  }
  bool on_null(json::error_code&) {
    stack_.push_null();
    return true;
  }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

  json::value release() { return stack_.release(); }
  bool has_duplicate_key() const { return has_duplicate_key_; }

 private:
  json::value_stack stack_;
  std::vector<std::size_t> key_hashes_;
  std::vector<std::size_t> object_starts_;
  std::string partial_key_;
  bool has_duplicate_key_ = false;
};

}  // namespace

Result<json::value> parse_json(std::string_view text, std::string_view where,
                               const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return fail(ErrorCode::kInvalidArgument, where, "JSON of {} bytes is over the limit of {}",
                text.size(), limits.max_bytes);
  }
  json::parse_options options;
  options.max_depth = limits.max_depth;
  json::basic_parser<StrictHandler> parser(options);
  json::error_code code;
  const std::size_t consumed = parser.write_some(false, text.data(), text.size(), code);
  if (!code && consumed < text.size()) code = json::error::extra_data;
  if (code) {
    const std::string reason =
        parser.handler().has_duplicate_key() ? "a key stands twice in one object" : code.message();
    return fail(ErrorCode::kInvalidArgument, where, "not valid JSON at byte {}: {}", consumed,
                reason);
  }
  return parser.handler().release();
}

}  // namespace fathom::base
