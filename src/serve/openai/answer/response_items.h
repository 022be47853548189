// ResponseItems: the output of /v1/responses, item by item, and the events that tell of it.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/openai/output/tool_call_parser.h"

namespace fathom::serve {

// One for each answer; not thread-safe.
class ResponseItems {
 public:
  // Called for each event with its type and fields, in OpenAI's order.
  using Emit = std::function<void(std::string_view, boost::json::object)>;

  // `id` goes into the items' ids.
  ResponseItems(std::string id, Emit emit) : id_(std::move(id)), emit_(std::move(emit)) {}

  void add(const OutputPiece& piece);
  // Closes the last item. An answer of nothing is an empty message. `is_whole`: it was not cut off.
  void finish(bool is_whole);
  boost::json::array json() const;

 private:
  enum class Kind { kReasoning, kMessage, kCall };
  struct Item {
    Kind kind = Kind::kMessage;
    std::string id;
    std::string text;     // of a call: its arguments
    std::string name;     // of a call
    std::string call_id;  // of a call
    std::string status = "in_progress";
  };

  void open(Kind kind, std::string_view name = "");
  void close(std::string_view status);
  boost::json::object item_json(const Item& item) const;
  static boost::json::object part_json(const Item& item, std::string_view text);
  // The fields that events of the open item share.
  boost::json::object place() const;

  std::string id_;
  Emit emit_;
  std::vector<Item> items_;
  bool is_open_ = false;
};

}  // namespace fathom::serve
