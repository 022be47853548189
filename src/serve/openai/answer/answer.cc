// Events in the form that browsers and OpenAI's clients read.
#include "serve/openai/answer/answer.h"

#include <fmt/format.h>

#include <utility>

namespace fathom::serve {

void respond_json(net::HttpExchange& exchange, std::string body) {
  exchange.respond({200, {{"Content-Type", "application/json"}}, std::move(body)});
}

void EventStream::start() {
  if (has_started_) return;
  has_started_ = true;
  exchange_->start(200, {{"Content-Type", "text/event-stream; charset=utf-8"},
                         {"Cache-Control", "no-cache"},
                         {"X-Accel-Buffering", "no"}});
}

void EventStream::respond(std::string json) {
  is_over_ = true;
  respond_json(*exchange_, std::move(json));
}

void EventStream::send(std::string_view json) {
  start();
  exchange_->write(fmt::format("data: {}\n\n", json));
}

void EventStream::send(std::string_view event, std::string_view json) {
  start();
  exchange_->write(fmt::format("event: {}\ndata: {}\n\n", event, json));
}

void EventStream::fail(const ApiError& error, std::string_view event) {
  if (is_over_) return;
  if (!has_started_) {
    is_over_ = true;
    return exchange_->respond(error_response(error));
  }
  if (event.empty()) {
    send(error_json(error));
  } else {
    send(event, error_json(error));
  }
  finish();
}

void EventStream::finish_done() {
  start();
  exchange_->write("data: [DONE]\n\n");
  finish();
}

void EventStream::finish() {
  is_over_ = true;
  exchange_->finish();
}

}  // namespace fathom::serve
