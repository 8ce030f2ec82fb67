#pragma once

#include <functional>
#include <memory>
#include <string>

#include "firmware/base/error.h"
#include "firmware/journal/store.h"
#include "firmware/ports/clock.h"
#include "firmware/ports/connector.h"
#include "firmware/ports/database.h"
#include "firmware/ports/driver.h"
#include "firmware/ports/entropy.h"
#include "firmware/ports/files.h"
#include "firmware/ports/line_source.h"
#include "firmware/ports/listener.h"
#include "firmware/ports/log.h"
#include "firmware/ports/loop.h"
#include "firmware/ports/supervisor.h"
#include "firmware/ports/worker.h"

namespace holdfast::node {

/// What a node is given of the world. Everything outlives the node; the functions may be called at
/// any time while it lives, on the network thread.
struct Ports {
    ports::Loop& loop;
    ports::Clock& clock;
    ports::Entropy& entropy;
    ports::Files& files;
    ports::Log& log;
    ports::Supervisor& supervisor;
    std::function<std::unique_ptr<ports::Worker>()> make_worker;
    /// Opens the listener that the configuration describes. Errors: refused (port taken), invalid,
    /// not_found (certificates), io.
    std::function<Result<std::unique_ptr<ports::Listener>>(ports::Acceptor&)> listen;
    /// Of the hub that the configuration names. Errors: invalid, not_found (certificates).
    std::function<Result<std::unique_ptr<ports::Connector>>()> make_connector;
    std::function<std::unique_ptr<ports::Driver>(const std::string& name)> make_driver;
    std::function<std::unique_ptr<ports::LineSource>(
        const std::string& path, ports::LinePosition start, ports::LineSource::Handler handler)>
        open_lines;
    ports::DatabaseOptions database = {};
    journal::WriteObserver* observer = nullptr;  ///< is told what the journal's store has written
};

}  // namespace holdfast::node
