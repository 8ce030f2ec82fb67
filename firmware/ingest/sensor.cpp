#include "firmware/ingest/sensor.h"

namespace holdfast::ingest {

void SensorState::report(ports::Log& log, const std::string& error) {
    if (last_error == error) {
        return;
    }
    if (error.empty()) {
        log.info("sensors: " + driver + ": well again");
    } else {
        log.warning("sensors: " + driver + ": " + error);
    }
    last_error = error;
}

}  // namespace holdfast::ingest
