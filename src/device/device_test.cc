// Opening devices, memory, streams.
#include "device/device.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <vector>

#include "device/build_target.h"
#include "device/cpu_device.h"
#include "device/device_copy.h"

namespace fathom::device {
namespace {

TEST(OpenDevice, OpensTheCpuWithItsBestInstructionSet) {
  auto device = open_device("cpu");
  ASSERT_TRUE(device);
  EXPECT_EQ((*device)->kind(), DeviceKind::kCpu);
  EXPECT_NE((*device)->name().find(name(usable_isas().back())), std::string::npos);
}

TEST(OpenDevice, RefusesWhatIsNotThere) {
  EXPECT_EQ(open_device("tpu").error().code, base::ErrorCode::kInvalidArgument);
  EXPECT_FALSE(open_device("cpu", {.isa = "mmx"}));
  EXPECT_FALSE(open_device("cpu", {.num_threads = -1}));
  EXPECT_TRUE(open_device("cpu", {.num_threads = 1, .isa = "portable"}));
}

TEST(DeviceCopy, CopiesBetweenDevicesOfOneKind) {
  auto one = open_device("cpu");
  auto other = open_device("cpu");
  ASSERT_TRUE(one && other);
  auto source = (*one)->allocate(1000);
  auto target = (*other)->allocate(1000);
  ASSERT_TRUE(source && target);
  std::memset(source->data(), 7, 1000);
  ASSERT_TRUE(copy_between(**one, source->data(), **other, target->data(), 999));
  const auto* bytes = static_cast<const unsigned char*>(target->data());
  EXPECT_EQ(bytes[0], 7);
  EXPECT_EQ(bytes[998], 7);
  EXPECT_EQ(bytes[999], 0);
}

TEST(BuildTarget, HasArchitecturesWithAToolkitAlone) {
  const CudaBuild build = cuda_build();
  EXPECT_EQ(build.toolkit_version.empty(), build.architectures.empty());
  for (const std::string& each : build.architectures) {
    EXPECT_EQ(each.find_first_not_of("0123456789af"), std::string::npos) << each;
  }
}

TEST(CpuDevice, AllocatesZeroedAlignedMemory) {
  auto device = open_device("cpu");
  ASSERT_TRUE(device);
  auto buffer = (*device)->allocate(5'000'000);
  ASSERT_TRUE(buffer);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer->data()) % 64, 0U);
  const auto* bytes = static_cast<const unsigned char*>(buffer->data());
  for (std::size_t i = 0; i < buffer->size_bytes(); i += 997) EXPECT_EQ(bytes[i], 0);
  EXPECT_TRUE((*device)->allocate(0));
}

TEST(CpuDevice, HasItsMemoryFromTheStartAndKnowsHowMuch) {
  CpuDevice device(CpuIsa::kPortable, 1);
  {
    constexpr std::size_t kBytes = std::size_t{8} << 20;
    const auto buffer = device.allocate(kBytes, Place::kDevice);
    ASSERT_TRUE(buffer);
    EXPECT_EQ(device.memory().allocated_bytes, kBytes);
    std::vector<unsigned char> is_resident(kBytes / 4096);
    ASSERT_EQ(::mincore(buffer->data(), kBytes, is_resident.data()), 0);
    for (const unsigned char each : is_resident) EXPECT_EQ(each & 1, 1);
  }
  EXPECT_EQ(device.memory().allocated_bytes, 0U);
}

TEST(CpuDevice, SaysHowMuchMemoryIsMissing) {
  auto device = open_device("cpu");
  ASSERT_TRUE(device);
  const auto buffer = (*device)->allocate(std::size_t{1} << 50);
  ASSERT_FALSE(buffer);
  EXPECT_EQ(buffer.error().code, base::ErrorCode::kResourceExhausted);
  EXPECT_NE(buffer.error().message.find("MiB"), std::string::npos);
}

TEST(CpuDevice, CopiesThroughAStream) {
  auto device = open_device("cpu");
  ASSERT_TRUE(device);
  auto stream = (*device)->create_stream();
  ASSERT_TRUE(stream);
  auto buffer = (*device)->allocate(16);
  char text[16] = "through";
  (*stream)->copy_to_device(buffer->data(), text, sizeof(text));
  char back[16] = {};
  (*stream)->copy_to_host(back, buffer->data(), sizeof(back));
  EXPECT_TRUE((*stream)->synchronize());
  EXPECT_STREQ(back, "through");
}

}  // namespace
}  // namespace fathom::device
