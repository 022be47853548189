// A kernel that faults takes the GPU from its process: every request ends with the error, the
// engine says so and takes no more, and the same program started again in this process's place
// answers. In a program of its own, for nothing else could use the GPU afterwards.
#include <unistd.h>

#include <atomic>

#include "engine/engine_test_data.h"
#include "kernels/embedding/embedding.h"

namespace fathom::engine {
namespace {

constexpr const char* kSecondLife = "FATHOM_TEST_SECOND_LIFE";

class LostGpuTest : public EngineTest {
 protected:
  // False where there is no GPU.
  bool start_on_gpu(EngineOptions options) {
    auto device = device::open_device("cuda");
    if (!device) return false;
    device_ = *std::move(device);
    auto folder = checkpoint::ModelFolder::open(kModel);
    EXPECT_TRUE(folder) << folder.error().text();
    auto weights = model::Weights::load(
        std::make_shared<const checkpoint::ModelFolder>(*std::move(folder)), *device_, {});
    EXPECT_TRUE(weights) << weights.error().text();
    auto engine = Engine::create(std::make_shared<const model::Weights>(*std::move(weights)),
                                 tokenizer_, *device_, std::move(options));
    EXPECT_TRUE(engine) << engine.error().text();
    engine_ = *std::move(engine);
    return true;
  }

  // Reads where nothing is.
  void run_faulty_kernel() {
    auto stream = device_->create_stream();
    ASSERT_TRUE(stream) << stream.error().text();
    auto ids = device_->allocate(64);
    auto y = device_->allocate(1024);
    ASSERT_TRUE(ids && y);
    kernels::embedding({.ids = {ids->data(), tensor::DType::kI32, {1}},
                        .table = {reinterpret_cast<void*>(1 << 20), tensor::DType::kF32, {1, 256}},
                        .y = {y->data(), tensor::DType::kF32, {1, 256}}},
                       **stream);
    const auto ended = (*stream)->synchronize();
    ASSERT_FALSE(ended);
  }
};

TEST_F(LostGpuTest, EndsItsRequestsAndTheNextProcessAnswers) {
  if (std::getenv(kSecondLife) != nullptr) {
    ASSERT_TRUE(start_on_gpu({}));
    EXPECT_EQ(ask(request("The server reads the model", 8))->finish, FinishReason::kLength);
    return;
  }
  std::atomic<int> num_losses{0};
  if (!start_on_gpu({.max_batch_size = 2, .on_device_lost = [&] { ++num_losses; }})) {
    GTEST_SKIP() << "GPU tests skipped: there is none here";
  }
  Received running;
  GenerationRequest asked = request("The server reads the model", 2000);
  asked.stop.ignore_eos = true;
  ASSERT_TRUE(engine_->submit(asked, running.callback()));
  running.wait_for_tokens(4);
  run_faulty_kernel();
  running.wait();
  EXPECT_EQ(running.finish, FinishReason::kError);
  ASSERT_TRUE(running.error);
  EXPECT_NE(running.error->message.find("illegal"), std::string::npos) << running.error->text();
  EXPECT_TRUE(device_->is_lost());
  for (int i = 0; i < 1000 && num_losses == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(num_losses, 1);
  EXPECT_FALSE(engine_->submit(asked, running.callback()));
  if (HasFailure()) return;
  ::setenv(kSecondLife, "1", 1);
  ::execl("/proc/self/exe", "lost_gpu_test", nullptr);
  FAIL() << "cannot start again";
}

}  // namespace
}  // namespace fathom::engine
