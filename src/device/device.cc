// Finds a device by its name.
#include "device/device.h"

#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "device/cpu_device.h"
#include "device/open_cuda.h"

namespace fathom::device {

using base::ErrorCode;
using base::fail;

Buffer::~Buffer() {
  if (owner_ != nullptr) owner_->free(data_, size_bytes_, place_);
}

namespace {

base::Result<std::unique_ptr<Device>> open_cpu(const DeviceOptions& options) {
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

}  // namespace

base::Result<std::unique_ptr<Device>> open_device(std::string_view device_name,
                                                  const DeviceOptions& options) {
  if (device_name == "cpu") return open_cpu(options);
  if (device_name == "auto") {
    auto cuda = open_cuda(0, options);
    if (cuda) return cuda;
    base::log_info("no GPU is used: {}", cuda.error().message);
    return open_cpu(options);
  }
  constexpr std::string_view kCuda = "cuda";
  if (device_name.starts_with(kCuda)) {
    std::string_view rest = device_name.substr(kCuda.size());
    int ordinal = 0;
    if (rest.starts_with(':')) {
      rest.remove_prefix(1);
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), ordinal);
      if (error == std::errc{} && end == rest.data() + rest.size() && ordinal >= 0) {
        return open_cuda(ordinal, options);
      }
    } else if (rest.empty()) {
      return open_cuda(0, options);
    }
  }
  return fail(ErrorCode::kInvalidArgument, "--device",
              "'{}' is no device; use cpu, cuda, cuda:N or auto", device_name);
}

}  // namespace fathom::device
