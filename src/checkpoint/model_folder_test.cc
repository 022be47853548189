// Folders whole, sharded, and broken in every way.
#include "checkpoint/model_folder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace fathom::checkpoint {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = fs::path(FATHOM_SOURCE_DIR) / "tests/data/models";

class ModelFolderTest : public ::testing::Test {
 protected:
  ModelFolderTest() {
    folder_ = fs::temp_directory_path() / ("fathom-folder-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
  }
  ~ModelFolderTest() override { fs::remove_all(folder_); }

  void copy(const char* model) { fs::copy(kModels / model, folder_, fs::copy_options::recursive); }
  void write(const char* name, std::string_view text) const {
    std::ofstream(folder_ / name) << text;
  }
  std::string refusal() const {
    auto opened = ModelFolder::open(folder_);
    return opened ? "" : opened.error().text();
  }

  fs::path folder_;
};

TEST_F(ModelFolderTest, OpensShardsAndSingleFiles) {
  auto sharded = ModelFolder::open(kModels / "mini-llama");
  ASSERT_TRUE(sharded) << sharded.error().text();
  EXPECT_TRUE(sharded->has_tensor("lm_head.weight"));
  auto head = sharded->tensor("lm_head.weight", {4096, 256});
  ASSERT_TRUE(head);
  EXPECT_EQ(head->dtype, tensor::DType::kBF16);
  EXPECT_TRUE(sharded->files_unchanged());
  EXPECT_TRUE(ModelFolder::open(kModels / "tiny-qwen2"));
}

TEST_F(ModelFolderTest, SaysWhichTensorDisagrees) {
  auto folder = ModelFolder::open(kModels / "mini-llama");
  ASSERT_TRUE(folder);
  EXPECT_NE(folder->tensor("lm_head.weight", {4096, 255})
                .error()
                .text()
                .find("shape [4096, 256], but the configuration needs [4096, 255]"),
            std::string::npos);
  EXPECT_NE(folder->tensor("nothing", {1}).error().text().find("no tensor 'nothing'"),
            std::string::npos);
}

TEST_F(ModelFolderTest, RefusesMissingAndCutFiles) {
  EXPECT_NE(refusal().find("no such folder"), std::string::npos);
  copy("mini-llama");
  EXPECT_EQ(refusal(), "");
  fs::resize_file(folder_ / "model-00002-of-00002.safetensors", 4'000'000);
  EXPECT_NE(refusal().find("model-00002"), std::string::npos) << refusal();
  fs::remove(folder_ / "model-00002-of-00002.safetensors");
  EXPECT_NE(refusal().find("No such file"), std::string::npos);
  fs::remove(folder_ / "config.json");
  EXPECT_NE(refusal().find("config.json"), std::string::npos);
}

TEST_F(ModelFolderTest, RefusesAnIndexThatLies) {
  copy("mini-llama");
  const std::pair<const char*, const char*> cases[] = {
      {R"({"weight_map": {"a": "../x.safetensors"}})", "not in a file of this folder"},
      {R"({"weight_map": {"a": "/etc/passwd"}})", "not in a file of this folder"},
      {R"({"weight_map": {"a": ".."}})", "not in a file of this folder"},
      {R"({"weight_map": {"a": 1}})", "not in a file of this folder"},
      {R"({"weight_map": {}})", "names 0 files"},
      {R"({"weight_map": []})", "weight_map"},
      {R"([])", "weight_map"},
      {R"({"weight_map": {"a": "model-00001-of-00002.safetensors"}})", "promises tensor 'a'"},
      {R"({"weight_map": {"lm_head.weight": "model-00001-of-00002.safetensors"}})",
       "promises tensor 'lm_head.weight'"},
  };
  for (const auto& [index, expected] : cases) {
    write("model.safetensors.index.json", index);
    EXPECT_NE(refusal().find(expected), std::string::npos) << index << ": " << refusal();
  }
}

TEST_F(ModelFolderTest, RefusesATensorInTwoFiles) {
  copy("tiny-qwen2");
  fs::copy_file(folder_ / "model.safetensors", folder_ / "b.safetensors");
  write(
      "model.safetensors.index.json",
      R"({"weight_map": {"lm_head.weight": "model.safetensors", "model.norm.weight": "b.safetensors"}})");
  EXPECT_NE(refusal().find("stands in"), std::string::npos) << refusal();
}

TEST_F(ModelFolderTest, NoticesAFileThatChanges) {
  copy("tiny-qwen2");
  auto folder = ModelFolder::open(folder_);
  ASSERT_TRUE(folder);
  std::ofstream(folder_ / "model.safetensors", std::ios::app) << "more";
  EXPECT_FALSE(folder->files_unchanged());
}

}  // namespace
}  // namespace fathom::checkpoint
