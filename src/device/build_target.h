// What this build's CUDA back end was made for.
#pragma once

#include <string>
#include <vector>

namespace fathom::device {

struct CudaBuild {
  std::string toolkit_version;             // "13.0"; empty: there is no CUDA back end
  std::vector<std::string> architectures;  // of its machine code: "75", "80", "90a"
};

CudaBuild cuda_build();

}  // namespace fathom::device
