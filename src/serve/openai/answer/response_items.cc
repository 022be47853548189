// One item is open at a time; a piece of another kind closes it.
#include "serve/openai/answer/response_items.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

namespace fathom::serve {

namespace json = boost::json;

json::object ResponseItems::part_json(const Item& item, std::string_view text) {
  if (item.kind == Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", text}};
  return {{"type", "output_text"},
          {"text", text},
          {"annotations", json::array{}},
          {"logprobs", json::array{}}};
}

json::object ResponseItems::item_json(const Item& item) const {
  json::object object{{"id", item.id}};
  const bool is_empty = item.status == "in_progress";
  json::array parts;
  if (item.kind != Kind::kCall && !is_empty) parts.push_back(part_json(item, item.text));
  switch (item.kind) {
    case Kind::kReasoning:
      object["type"] = "reasoning";
      object["summary"] = json::array{};
      object["content"] = std::move(parts);
      break;
    case Kind::kMessage:
      object["type"] = "message";
      object["role"] = "assistant";
      object["content"] = std::move(parts);
      break;
    case Kind::kCall:
      object["type"] = "function_call";
      object["call_id"] = item.call_id;
      object["name"] = item.name;
      object["arguments"] = item.text;
      break;
  }
  object["status"] = item.status;
  return object;
}

json::object ResponseItems::place() const {
  json::object fields{{"item_id", items_.back().id}, {"output_index", items_.size() - 1}};
  if (items_.back().kind != Kind::kCall) fields["content_index"] = 0;
  return fields;
}

void ResponseItems::open(Kind kind, std::string_view name) {
  if (is_open_) close("completed");
  const char* const prefix = kind == Kind::kReasoning ? "rs"
                             : kind == Kind::kMessage ? "msg"
                                                      : "fc";
  Item& item = items_.emplace_back();
  item.kind = kind;
  item.id = fmt::format("{}_{}_{}", prefix, id_, items_.size() - 1);
  item.name = name;
  if (kind == Kind::kCall) item.call_id = fmt::format("call_{}_{}", id_, items_.size() - 1);
  is_open_ = true;
  emit_("response.output_item.added",
        {{"output_index", items_.size() - 1}, {"item", item_json(item)}});
  if (kind == Kind::kCall) return;
  json::object fields = place();
  fields["part"] = part_json(item, "");
  emit_("response.content_part.added", std::move(fields));
}

void ResponseItems::close(std::string_view status) {
  Item& item = items_.back();
  item.status = status;
  is_open_ = false;
  json::object done = place();
  if (item.kind == Kind::kCall) {
    done["name"] = item.name;
    done["arguments"] = item.text;
    emit_("response.function_call_arguments.done", std::move(done));
  } else {
    done["text"] = item.text;
    if (item.kind == Kind::kMessage) done["logprobs"] = json::array{};
    emit_(
        item.kind == Kind::kMessage ? "response.output_text.done" : "response.reasoning_text.done",
        std::move(done));
    json::object part = place();
    part["part"] = part_json(item, item.text);
    emit_("response.content_part.done", std::move(part));
  }
  emit_("response.output_item.done",
        {{"output_index", items_.size() - 1}, {"item", item_json(item)}});
}

void ResponseItems::add(const OutputPiece& piece) {
  if (piece.kind == OutputPiece::Kind::kToolCall) return open(Kind::kCall, piece.text);
  const Kind kind = piece.kind == OutputPiece::Kind::kReasoning ? Kind::kReasoning
                    : piece.kind == OutputPiece::Kind::kContent ? Kind::kMessage
                                                                : Kind::kCall;
  if (!is_open_ || items_.back().kind != kind) open(kind);
  items_.back().text += piece.text;
  json::object fields = place();
  fields["delta"] = piece.text;
  if (kind == Kind::kMessage) fields["logprobs"] = json::array{};
  const char* const names[] = {"response.reasoning_text.delta", "response.output_text.delta",
                               "response.function_call_arguments.delta"};
  emit_(names[static_cast<int>(kind)], std::move(fields));
}

void ResponseItems::finish(bool is_whole) {
  if (items_.empty()) open(Kind::kMessage);
  if (is_open_) close(is_whole ? "completed" : "incomplete");
}

json::array ResponseItems::json() const {
  json::array list;
  for (const Item& item : items_) list.push_back(item_json(item));
  return list;
}

}  // namespace fathom::serve
