// Tasks run side by side, within bounds, and outlive each other's exceptions.
#include "serve/worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <stdexcept>

namespace fathom::serve {
namespace {

TEST(Worker, RunsTasksSideBySide) {
  Worker worker({.num_threads = 2, .max_waiting = 4});
  std::promise<void> first;
  std::promise<void> second;
  ASSERT_TRUE(worker.submit([&] {
    first.set_value();
    second.get_future().wait();  // which only another thread can bring
  }));
  std::promise<void> done;
  ASSERT_TRUE(worker.submit([&] {
    first.get_future().wait();
    second.set_value();
    done.set_value();
  }));
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(Worker, RefusesWhatWouldWaitTooLong) {
  std::promise<void> started;
  std::promise<void> release;
  std::atomic<int> num_run{0};
  {
    Worker worker({.num_threads = 1, .max_waiting = 2});
    ASSERT_TRUE(worker.submit([&] {
      started.set_value();
      release.get_future().wait();
    }));
    started.get_future().wait();
    EXPECT_TRUE(worker.submit([&] { ++num_run; }));
    EXPECT_TRUE(worker.submit([&] { ++num_run; }));
    EXPECT_FALSE(worker.submit([&] { ++num_run; }));
    release.set_value();
  }
  EXPECT_LE(num_run, 2);  // what waits at the end is dropped
}

TEST(Worker, OutlivesExceptions) {
  Worker worker({.num_threads = 1, .max_waiting = 4});
  std::promise<void> done;
  ASSERT_TRUE(worker.submit([] { throw std::runtime_error("a library broke"); }));
  ASSERT_TRUE(worker.submit([&] { done.set_value(); }));
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

}  // namespace
}  // namespace fathom::serve
