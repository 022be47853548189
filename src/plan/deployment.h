// How a configuration is started: the flags of `fathom serve`, and manifests around them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "plan/planner.h"

namespace fathom::plan {

enum class DeploymentForm { kServe, kDocker, kCompose, kKubernetes };

struct DeploymentTarget {
  std::string model;  // as serve takes it: a folder's absolute path, or a name of the hub
  bool is_folder = false;
  std::string image;  // of the container forms
};

// Words of the command of instance `index`, from "serve" on. Only flags that serve has.
std::vector<std::string> serve_words(const Configuration& configuration,
                                     const DeploymentTarget& target, int index);

// The text of a form. kFailedPrecondition if this build cannot serve the configuration.
base::Result<std::string> deployment_text(const Configuration& configuration,
                                          const DeploymentTarget& target, DeploymentForm form);

// The configuration to deploy: of those that fit and meet the target the first that this build
// serves. Errors say why there is none.
base::Result<Configuration> deployable(const Demand& demand,
                                       const std::vector<Configuration>& configurations);

}  // namespace fathom::plan
