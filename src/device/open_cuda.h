// Opens a GPU, in builds that have CUDA; in others, says that they have not.
#pragma once

#include <memory>

#include "base/result.h"
#include "device/device.h"

namespace fathom::device {

// kUnavailable: no driver, no such GPU, or one that this build has no code for; the message says
// which, and what to do.
base::Result<std::unique_ptr<Device>> open_cuda(int ordinal, const DeviceOptions& options);

}  // namespace fathom::device
