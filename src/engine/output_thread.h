// OutputThread: turns tokens into text and calls the callers back, so that the thread that runs
// steps never does.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "engine/request.h"
#include "engine/text_output.h"

namespace fathom::engine {

// Where one request's results go. The output thread's alone once the request is submitted.
class Answer {
 public:
  Answer(RequestId id, TextOutput text, DeltaCallback on_delta)
      : id_(id), sink_(Generation{std::move(text), std::move(on_delta)}) {}
  Answer(RequestId id, EmbeddingCallback on_answer) : id_(id), sink_(std::move(on_answer)) {}

 private:
  friend class OutputThread;
  struct Generation {
    TextOutput text;
    DeltaCallback on_delta;
  };

  RequestId id_;
  std::variant<Generation, EmbeddingCallback> sink_;
  bool is_over_ = false;
};

// What a step found out about one request.
struct OutputEvent {
  std::shared_ptr<Answer> answer;
  GenerationDelta delta;             // without its text
  std::int64_t num_text_tokens = 0;  // the leading tokens of the delta that are text
  std::vector<float> values;         // of an embedding
};

class OutputThread {
 public:
  // on_stopped: the answer met a stop string; called on this thread.
  explicit OutputThread(std::function<void(RequestId)> on_stopped);
  // Delivers what has been pushed, then joins.
  ~OutputThread();
  OutputThread(const OutputThread&) = delete;
  OutputThread& operator=(const OutputThread&) = delete;

  // Thread-safe; leaves `events` empty. Never waits for callbacks.
  void push(std::vector<OutputEvent>& events);

 private:
  void run();
  void deliver(OutputEvent event);
  void deliver_delta(Answer& answer, OutputEvent event);

  std::function<void(RequestId)> on_stopped_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<OutputEvent> events_;  // guarded by mutex_
  bool stopping_ = false;            // guarded by mutex_
  std::thread thread_;
};

}  // namespace fathom::engine
