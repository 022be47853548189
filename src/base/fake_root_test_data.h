// FakeRoot: a folder that stands for a machine's root, gone with the test.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/system_files.h"

namespace fathom::base {

class FakeRoot {
 public:
  FakeRoot() {
    std::string name = std::filesystem::temp_directory_path() / "fathom-root-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~FakeRoot() { std::filesystem::remove_all(path_); }
  FakeRoot(const FakeRoot&) = delete;
  FakeRoot& operator=(const FakeRoot&) = delete;

  void write(const std::string& name, const std::string& content) {
    const std::filesystem::path file = path_ / name.substr(1);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }
  const std::filesystem::path& path() const { return path_; }
  SystemFiles files() const { return SystemFiles(path_); }

 private:
  std::filesystem::path path_;
};

}  // namespace fathom::base
