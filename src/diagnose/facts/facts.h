// Facts: all that is known of a machine and its servers. Plain values, no input or output.
//
// A field without a value could not be read: it is shown as "not supported", and no check guesses.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "diagnose/facts/gpu_facts.h"
#include "diagnose/facts/host_facts.h"
#include "diagnose/facts/measured_facts.h"
#include "diagnose/facts/server_facts.h"

namespace fathom::diagnose {

// What this program was built for.
struct BuildFacts {
  std::optional<std::string> version;
  std::optional<std::string> cuda_version;  // of the toolkit: "13.0"; nothing: no CUDA back end
  // Of its machine code: "75", "80", "90a".
  std::optional<std::vector<std::string>> cuda_architectures;
};

template <SameFacts<BuildFacts> Facts, typename Visit>
void visit_fields(Facts& facts, Visit&& visit) {
  visit("version", facts.version);
  visit("cuda_version", facts.cuda_version);
  visit("cuda_architectures", facts.cuda_architectures);
}

struct Facts {
  BuildFacts build;
  HostFacts host;
  DriverFacts driver;
  std::vector<GpuFacts> gpus;
  std::vector<LinkFacts> links;
  std::vector<ServerFacts> servers;
  std::optional<MeasuredFacts> measured;
};

template <SameFacts<Facts> Given, typename Visit>
void visit_fields(Given& facts, Visit&& visit) {
  visit("build", facts.build);
  visit("host", facts.host);
  visit("driver", facts.driver);
  visit("gpus", facts.gpus);
  visit("links", facts.links);
  visit("servers", facts.servers);
  visit("measured", facts.measured);
}

}  // namespace fathom::diagnose
