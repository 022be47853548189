// Reading, mapping and atomic writing of files.
#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/sha256.h"

namespace fathom::base {
namespace {

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    folder_ =
        std::filesystem::temp_directory_path() / ("fathom-file-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  ~FileTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(FileTest, WritesAndReadsBack) {
  const auto path = folder_ / "a";
  ASSERT_TRUE(write_file_atomically(path, "one"));
  ASSERT_TRUE(write_file_atomically(path, "two"));
  EXPECT_EQ(*read_file(path, 100), "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(FileTest, SaysWhatIsWrong) {
  EXPECT_EQ(read_file(folder_ / "none", 1).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(read_file(folder_, 1).error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(write_file_atomically(folder_ / "long", "12345"));
  EXPECT_FALSE(read_file(folder_ / "long", 4));
  EXPECT_FALSE(write_file_atomically(folder_ / "no" / "folder", "x"));
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  EXPECT_FALSE(read_file(folder_ / "fifo", 10));
}

TEST_F(FileTest, MapsAndNoticesAChange) {
  const auto path = folder_ / "map";
  ASSERT_TRUE(write_file_atomically(path, "mapped"));
  auto mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped);
  EXPECT_EQ(mapped->bytes().size(), 6U);
  EXPECT_EQ(static_cast<char>(mapped->bytes()[5]), 'd');
  EXPECT_TRUE(mapped->size_unchanged());
  std::ofstream(path, std::ios::app) << "more";
  EXPECT_FALSE(mapped->size_unchanged());
}

TEST_F(FileTest, MapsAnEmptyFile) {
  ASSERT_TRUE(write_file_atomically(folder_ / "empty", ""));
  auto mapped = MappedFile::open(folder_ / "empty");
  ASSERT_TRUE(mapped);
  EXPECT_TRUE(mapped->bytes().empty());
}

TEST(Sha256, MatchesAKnownDigest) {
  const std::string text = "abc";
  EXPECT_EQ(Sha256::hex(Sha256::of(std::as_bytes(std::span(text)))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace fathom::base
