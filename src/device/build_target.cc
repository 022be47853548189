// Reads what CMake defined.
#include "device/build_target.h"

#include <sstream>

namespace fathom::device {

CudaBuild cuda_build() {
  CudaBuild build;
  std::istringstream version(FATHOM_CUDA_VERSION);
  std::string part;
  for (int i = 0; i < 2 && std::getline(version, part, '.'); ++i) {
    build.toolkit_version += (i == 0 ? "" : ".") + part;
  }
  std::istringstream architectures(FATHOM_CUDA_ARCHITECTURES);
  for (std::string each; architectures >> each;) {
    // "90a-real" is machine code alone, "90a" has PTX beside it.
    build.architectures.push_back(each.substr(0, each.find('-')));
  }
  return build;
}

}  // namespace fathom::device
