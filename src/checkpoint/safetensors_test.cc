// Every way in which a safetensors file can be wrong.
#include "checkpoint/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "checkpoint/finite.h"

namespace fathom::checkpoint {
namespace {

std::string file_of(std::string_view header, std::size_t data_bytes) {
  std::string file(8, '\0');
  const std::uint64_t size = header.size();
  std::memcpy(file.data(), &size, 8);
  return file + std::string(header) + std::string(data_bytes, 'x');
}

std::string refusal(const std::string& file) {
  auto parsed = parse_safetensors(std::as_bytes(std::span(file)), "f");
  return parsed ? "" : parsed.error().text();
}

TEST(Safetensors, ReadsTensorsInOrderOfPlace) {
  const std::string file = file_of(
      R"({"__metadata__": {"format": "pt"},
          "b": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [4, 16]},
          "a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}})",
      16);
  auto tensors = parse_safetensors(std::as_bytes(std::span(file)), "f");
  ASSERT_TRUE(tensors) << tensors.error().text();
  ASSERT_EQ(tensors->size(), 2U);
  EXPECT_EQ((*tensors)[0].name, "a");
  EXPECT_EQ((*tensors)[1].shape, (tensor::Shape{2, 3}));
  EXPECT_EQ((*tensors)[1].dtype, tensor::DType::kBF16);
  EXPECT_EQ((*tensors)[1].end, file.size());
}

TEST(Safetensors, RefusesWhatIsWrong) {
  const auto one = [](std::string_view fields, std::size_t bytes = 4) {
    return file_of(R"({"a": {)" + std::string(fields) + "}}", bytes);
  };
  const std::string good = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";
  EXPECT_EQ(refusal(one(good)), "");
  std::string huge(8, '\xFF');
  std::string over = file_of("{}", 0);
  over[0] = 3;
  const std::pair<std::string, const char*> cases[] = {
      {"", "too few"},
      {"1234567", "too few"},
      {huge + "{}", "does not fit"},
      {over, "does not fit"},
      {file_of("", 0), "does not start"},
      {file_of(" {}", 0), "does not start"},
      {file_of("{", 0), "not valid JSON"},
      {file_of("{} x", 0), "not valid JSON"},
      {file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
               R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
               4),
       "twice"},
      {one(good, 5), "follow the last"},
      {one(good, 3), "outside the file"},
      {one(R"("shape":[1],"data_offsets":[0,4])"), "no dtype"},
      {one(R"("dtype":"F33","shape":[1],"data_offsets":[0,4])"), "unknown dtype"},
      {one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), "not a count"},
      {one(R"("dtype":"F32","shape":[1.5],"data_offsets":[0,4])"), "not a count"},
      {one(R"("dtype":"F32","shape":"x","data_offsets":[0,4])"), "no shape"},
      {one(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])"), "8 dimensions"},
      {one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4])"), "overflow"},
      {one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), "needs 8 bytes"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), "outside"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), "pair"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[-4,0])"), "outside"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615])"), "pair"},
      {file_of(R"({"a": 1})", 0), "not an object"},
      {file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8), "hole"},
      {file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
               R"("b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
               6),
       "overlaps"},
      {file_of(R"({"a":{"x":{"x":{"x":{"x":{}}}}}})", 0), "not valid JSON"},
  };
  for (const auto& [file, expected] : cases) {
    EXPECT_NE(refusal(file).find(expected), std::string::npos)
        << expected << " expected, but: " << refusal(file);
  }
}

TEST(Safetensors, RefusesEveryTruncationOfARealFile) {
  const std::string file =
      file_of(R"({"a":{"dtype":"BF16","shape":[8],"data_offsets":[0,16]}})", 16);
  EXPECT_EQ(refusal(file), "");
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_NE(refusal(file.substr(0, size)), "") << size;
  }
}

TEST(CheckFinite, NamesTheFirstBadElement) {
  std::vector<float> values(10'000, 1.0F);
  const tensor::View view{values.data(), tensor::DType::kF32, {10'000}};
  EXPECT_TRUE(check_finite(view, "w"));
  values[9999] = std::numeric_limits<float>::infinity();
  values[5000] = std::numeric_limits<float>::quiet_NaN();
  auto checked = check_finite(view, "w");
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().text().find("w: element 5000"), std::string::npos);
  std::vector<std::uint16_t> halves(7, 0x3C00);
  EXPECT_TRUE(check_finite({halves.data(), tensor::DType::kF16, {7}}, "h"));
  halves[3] = 0x7C01;
  EXPECT_FALSE(check_finite({halves.data(), tensor::DType::kF16, {7}}, "h"));
  EXPECT_TRUE(check_finite({halves.data(), tensor::DType::kBF16, {7}}, "h"));
}

}  // namespace
}  // namespace fathom::checkpoint
