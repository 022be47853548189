// Finds a device by its name.
#include "device/device.h"

#include <algorithm>

#include "device/cpu_device.h"

namespace fathom::device {

using base::ErrorCode;
using base::fail;

Buffer::~Buffer() {
  if (owner_ != nullptr) owner_->free(data_, size_bytes_);
}

base::Result<std::unique_ptr<Device>> open_device(std::string_view device_name,
                                                  const DeviceOptions& options) {
  if (device_name != "cpu") {
    return fail(ErrorCode::kInvalidArgument, "--device", "no device '{}' in this build; use cpu",
                device_name);
  }
  if (options.num_threads < 0 || options.num_threads > 1024) {
    return fail(ErrorCode::kInvalidArgument, "--threads", "{} is not between 1 and 1024",
                options.num_threads);
  }
  const std::vector<CpuIsa> isas = usable_isas();
  if (options.isa.empty()) return std::make_unique<CpuDevice>(isas.back(), options.num_threads);
  const auto found = std::ranges::find(isas, options.isa, [](CpuIsa isa) { return name(isa); });
  if (found == isas.end()) {
    return fail(ErrorCode::kInvalidArgument, "instruction set",
                "this processor does not run '{}'; its best is {}", options.isa, name(isas.back()));
  }
  return std::make_unique<CpuDevice>(*found, options.num_threads);
}

}  // namespace fathom::device
