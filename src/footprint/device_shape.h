// DeviceShape: what of a device decides how many bytes its arrays take.
#pragma once

namespace fathom::footprint {

struct DeviceShape {
  bool is_gpu = false;
  int num_multiprocessors = 0;  // of a GPU
};

}  // namespace fathom::footprint
