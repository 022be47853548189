// Facts for the commands that show them: of this machine, or of a file.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "diagnose/facts/facts.h"
#include "named_model.h"

namespace fathom::app {

// Of this machine; where the model's files lie, if it has some, and where pull would put them.
diagnose::Facts machine_facts(const std::optional<NamedModel>& model);

// Xids, ECC errors and NVLink errors of this machine's GPUs, as they are now.
void read_gpu_errors_again(diagnose::Facts& facts);

// Of a file that --record wrote.
base::Result<diagnose::Facts> read_facts(const std::string& file);

}  // namespace fathom::app
