// What of a device decides how much memory operations need.
#pragma once

#include "device/device.h"
#include "footprint/device_shape.h"

namespace fathom::kernels {

// Costs nothing; a GPU is asked once, when it is opened.
footprint::DeviceShape device_shape(const device::Device& device);

}  // namespace fathom::kernels
