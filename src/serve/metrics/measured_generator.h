// MeasuredGenerator: a generator whose requests are counted and timed.
#pragma once

#include <memory>

#include "engine/generator.h"
#include "serve/metrics/metrics.h"

namespace fathom::serve {

// Each answer counts as a request of its own, one with n = 4 as four, but for what only the whole
// request has: n itself, and its longest answer.
class MeasuredGenerator final : public engine::Generator {
 public:
  // Both must outlive the generator and every request that it took.
  MeasuredGenerator(engine::Generator& inner, Metrics& metrics)
      : inner_(inner), metrics_(metrics) {}

  base::Result<engine::RequestId> submit(engine::GenerationRequest request,
                                         engine::DeltaCallback on_delta) override;
  base::Result<engine::RequestId> submit_embedding(engine::EmbeddingRequest request,
                                                   engine::EmbeddingCallback on_answer) override;
  void cancel(engine::RequestId id) override { inner_.cancel(id); }
  std::int64_t max_context_tokens() const override { return inner_.max_context_tokens(); }
  std::int64_t embedding_size() const override { return inner_.embedding_size(); }
  engine::EngineStatus status() const override { return inner_.status(); }
  std::chrono::seconds retry_after() const override { return inner_.retry_after(); }

 private:
  void count_refusal(const base::Error& error);

  engine::Generator& inner_;
  Metrics& metrics_;
};

}  // namespace fathom::serve
