// copy_between(): copies between the memories of two devices.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "device/device.h"

namespace fathom::device {

// Waits until it has happened. Between GPUs that may reach each other the bytes go straight, over
// NVLink or PCIe; between others the driver passes them through the host. kUnimplemented: one of
// them is a GPU and the other is not.
base::Result<void> copy_between(Device& from, const void* source, Device& to, void* target,
                                std::size_t num_bytes);

}  // namespace fathom::device
