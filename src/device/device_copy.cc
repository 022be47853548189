// Chooses by the kinds of the two devices.
#include "device/device_copy.h"

#include <cstring>

#include "device/gpu_copy.h"

namespace fathom::device {

base::Result<void> copy_between(Device& from, const void* source, Device& to, void* target,
                                std::size_t num_bytes) {
  if (from.kind() != to.kind()) {
    return base::fail(base::ErrorCode::kUnimplemented, "copy",
                      "{} and {} are of different kinds: use a stream's copies", from.name(),
                      to.name());
  }
  if (from.kind() == DeviceKind::kCuda) {
    return copy_between_gpus(from, source, to, target, num_bytes);
  }
  if (num_bytes > 0) std::memcpy(target, source, num_bytes);
  return {};
}

}  // namespace fathom::device
