// Every kind of pre-tokenizer as a pattern to split by.
#include "tokenizer/pre_tokenizer_reader.h"

#include <boost/json.hpp>

#include "tokenizer/json_reader.h"

namespace fathom::tokenizer {

namespace json = boost::json;
using base::Result;

namespace {

constexpr int kMaxSplits = 32;
constexpr int kMaxNesting = 8;

class PreTokenizerReader : JsonReader {
 public:
  PreTokenizerReader(PreTokenizer& pre_tokenizer, const std::string& where)
      : JsonReader(where), pre_tokenizer_(pre_tokenizer) {}

  Result<void> read(const json::value* value, int depth) {
    if (value == nullptr) {
      return bad("pre_tokenizer", "missing: the bytes of the text would not be the vocabulary's");
    }
    const std::string_view type = TRY(type_of(*value, "pre_tokenizer"));
    const json::object& object = value->get_object();
    if (type == "Sequence" && depth <= kMaxNesting) {
      const json::value* list = find(object, "pretokenizers");
      if (list == nullptr || !list->is_array()) return bad("pre_tokenizer", "an empty Sequence");
      for (const json::value& each : list->get_array()) {
        TRY(read(&each, depth + 1));
      }
      return {};
    }
    if (type == "Split") return read_split(object);
    if (type == "Digits") {
      if (!TRY(flag(object, "individual_digits"))) return unimplemented("Digits", "of many");
      return add_split("\\p{N}");
    }
    if (type == "ByteLevel") {
      TRY(refuse(object, {"add_prefix_space"}));
      // GPT-2's own split; absent, it is on.
      const json::value* use_regex = find(object, "use_regex");
      if (use_regex == nullptr || *use_regex == json::value(true)) {
        return add_split(
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");
      }
      return {};
    }
    return unimplemented("pre_tokenizer", type);
  }

 private:
  Result<void> read_split(const json::object& object) {
    const json::value* behavior = find(object, "behavior");
    if (behavior == nullptr || *behavior != json::value("Isolated")) {
      return unimplemented("Split behavior", "other than Isolated");
    }
    TRY(refuse(object, {"invert"}));
    const json::value* pattern = find(object, "pattern");
    const json::object* kind = pattern != nullptr ? pattern->if_object() : nullptr;
    const json::value* regex = kind != nullptr ? find(*kind, "Regex") : nullptr;
    if (regex != nullptr && regex->is_string()) return add_split(view(regex->get_string()));
    const json::value* literal = kind != nullptr ? find(*kind, "String") : nullptr;
    if (literal == nullptr || !literal->is_string()) return bad("Split", "no pattern");
    std::string quoted;
    for (const char c : view(literal->get_string())) {
      if (std::string_view("\\^$.[|()?*+{").find(c) != std::string_view::npos) quoted += '\\';
      quoted += c;
    }
    return add_split(quoted);
  }

  Result<void> add_split(std::string_view pattern) {
    if (++num_splits_ > kMaxSplits) return bad("pre_tokenizer", "more than 32 splits");
    pre_tokenizer_.add_split(TRY(Regex::compile(pattern, where() + ": pre_tokenizer")));
    return {};
  }

  PreTokenizer& pre_tokenizer_;
  int num_splits_ = 0;
};

}  // namespace

Result<void> read_pre_tokenizer(const json::value* value, const std::string& where,
                                PreTokenizer& pre_tokenizer) {
  return PreTokenizerReader(pre_tokenizer, where).read(value, 0);
}

}  // namespace fathom::tokenizer
