// What two readings of a server's metrics say of the time between them.
#pragma once

#include "diagnose/facts/server_facts.h"
#include "diagnose/server/metrics_reading.h"

namespace fathom::diagnose {

// Fills the fields that come from /metrics. A pure function.
void add_rates(const MetricsReading& before, const MetricsReading& after, double interval_s,
               ServerFacts& server);

}  // namespace fathom::diagnose
