#pragma once

#include "firmware/app/config.h"
#include "firmware/app/config_section.h"

namespace holdfast::app {

// The keys of each section: type, range, default, and what one without the other means. What is
// wrong goes into the section's problems.

void read_node(Section& section, Config::Node& node);
void read_journal(Section& section, Config::Journal& journal);
/// `environment` may name a proxy, see `load_config`.
void read_uplink(Section& section, Config::Uplink& uplink, const Environment& environment);
/// `journal_bytes`: journal.max_size, which bounds what one message may bring.
void read_listen(Section& section, Config::Listen& listen, std::uint64_t journal_bytes);
void read_sensor(Section& section, Config::Sensor& sensor);
void read_log(Section& section, Config::Log& log);

}  // namespace holdfast::app
