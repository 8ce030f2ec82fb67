#include "firmware/app/node.h"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include "firmware/app/sensor_scheduler.h"
#include "firmware/app/server.h"
#include "firmware/app/status_socket.h"
#include "firmware/app/uplink_driver.h"
#include "firmware/base/check.h"
#include "platform/system/log.h"

namespace holdfast::app {

namespace {

/// The note that names the boot in which a fix is owed.
constexpr const char* kClockNote = "clock";
/// How long an orderly stop may wait for the disk, and for peers that do not answer a farewell.
constexpr Duration kStopTimeout = std::chrono::seconds(4);
constexpr Duration kFarewellTimeout = std::chrono::milliseconds(1500);

journal::StoreOptions store_options_of(const Config& config) {
    journal::StoreOptions options;
    options.origin = config.node.id;
    options.max_size_bytes = config.journal.max_size_bytes;
    options.when_full = config.journal.when_full;
    options.owes_upstream = config.uplink.has_value();
    return options;
}

}  // namespace

Result<std::unique_ptr<Node>> Node::start(boost::asio::io_context& io, Config config) {
    auto node = std::unique_ptr<Node>(new Node(io, std::move(config)));
    if (Result<void> opened = node->open_journal(); !opened) {
        return std::unexpected(std::move(opened).error());
    }
    if (Result<void> opened = node->open_parts(); !opened) {
        return std::unexpected(std::move(opened).error());
    }
    node->poke();
    return node;
}

Node::Node(boost::asio::io_context& io, Config config)
    : io_(io),
      config_(std::move(config)),
      started_(system::monotonic_now()),
      timekeeper_(system::boot_id()),
      timer_(io) {}

/// The parts go before what they stand on. The storage thread ends first, so that none of its
/// results finds a part gone.
Node::~Node() {
    *alive_ = false;
    storage_.reset();
    status_.reset();
    sensors_.reset();
    server_.reset();
    uplink_.reset();
}

Result<void> Node::open_journal() {
    const std::filesystem::path& directory = config_.node.data_dir;
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) {
        return fail(ErrorCode::io,
                    "node.data_dir " + directory.string() + " cannot be made: " + error.message());
    }
    const journal::StoreOptions store_options = store_options_of(config_);
    journal::Opened opened;
    Result<journal::Store> store = journal::Store::open(directory, store_options, entropy_, opened);
    if (!store) {
        return std::unexpected(std::move(store).error().context("journal"));
    }
    if (opened.moved_aside) {
        log::error("journal: the database could not be used (" + opened.moved_because +
                   "); it was moved to " + opened.moved_aside->string() + ", and a new one begins");
    }
    journal::JournalOptions options;
    options.origin = config_.node.id;
    options.owes_upstream = config_.uplink.has_value();
    options.commit_interval = config_.journal.commit_interval;
    options.memory_bytes = config_.journal.memory_bytes;
    journal_.emplace(opened, options);
    for (const journal::Stream& stream : opened.streams) {
        if (stream.origin != config_.node.id) {
            fleet_[stream.origin].readings += stream.through;
        }
    }
    notes_ = std::move(opened.notes);
    clock_noted_ = std::ranges::any_of(notes_, [](const journal::Note& note) {
        return note.name == kClockNote && note.text == std::to_string(system::boot_id());
    });
    timekeeper_ = Timekeeper(system::boot_id(), clock_noted_);
    storage_ = std::make_unique<StorageThread>(io_, *std::move(store));
    log::info("journal: " + std::to_string(opened.used_bytes / 1024) + " KiB in " +
              directory.string() + ", run " + std::to_string(opened.own.epoch.run) +
              (config_.uplink ? ", backlog of " + std::to_string(journal_->backlog()) + " readings"
                              : ""));
    return {};
}

Result<void> Node::open_parts() {
    if (config_.listen) {
        Result<std::unique_ptr<Server>> server = Server::open(*this, *config_.listen);
        if (!server) {
            return std::unexpected(std::move(server).error());
        }
        server_ = *std::move(server);
        log::info("listen: on " + server_->address());
    }
    if (config_.uplink) {
        Result<std::unique_ptr<UplinkDriver>> uplink = UplinkDriver::make(*this, *config_.uplink);
        if (!uplink) {
            return std::unexpected(std::move(uplink).error());
        }
        uplink_ = *std::move(uplink);
        uplink_->remember(std::exchange(notes_, {}));
    }
    Result<std::unique_ptr<StatusSocket>> status = StatusSocket::open(*this);
    if (!status) {
        return std::unexpected(std::move(status).error());
    }
    status_ = *std::move(status);
    sensors_ = std::make_unique<SensorScheduler>(*this, config_.sensors);
    return {};
}

// ---- Turns

void Node::poke() {
    if (!std::exchange(poked_, true)) {
        boost::asio::post(io_, [this, alive = alive_] {
            if (*alive) {
                turn();
            }
        });
    }
}

/// Everything that is due, once an event: the storage thread gets its work, the line its messages,
/// the timer its deadline.
void Node::turn() {
    poked_ = false;
    const Now now = system::now();
    if (const std::optional<journal::ClockFix> fix = timekeeper_.fix(now)) {
        log::info("clock: the time is known now; readings taken before will be given theirs");
        journal_->append(*fix, now.monotonic);
    }
    if (timekeeper_.owes_fix() != clock_noted_) {
        clock_noted_ = timekeeper_.owes_fix();
        const std::string boot = clock_noted_ ? std::to_string(system::boot_id()) : "";
        const Result<void> kept = journal_->note(kClockNote, boot, now.monotonic);
        HOLDFAST_CHECK(kept);
    }
    // The journal first: it closes the batch that has waited long enough, and the line sends it in
    // the same turn, so that the hub has it before it would have to be written here.
    write(now);
    Instant deadline = kNever;
    if (uplink_) {
        deadline = uplink_->turn(now);
    }
    if (server_) {
        deadline = std::min(deadline, server_->turn(now));
    }
    if (journal_->durable_before() != seen_durable_) {
        moved();
    }
    arm(std::min(deadline, journal_->deadline()));
    if (stopped_) {
        finish_stop();
    }
}

void Node::write(Now now) {
    std::optional<journal::Write> write = journal_->take_write(now.monotonic);
    if (!write) {
        return;
    }
    storage_->run([write = std::move(*write)](journal::Store& store) { return store.write(write); },
                  [this, alive = alive_](const Result<journal::Written>& result) {
                      if (*alive) {
                          written(result);
                      }
                  });
}

void Node::written(const Result<journal::Written>& result) {
    const bool was_failing = journal_->storage_error() != nullptr;
    journal_->written(result, system::monotonic_now());
    if (!result && !was_failing) {
        log::error(
            "journal: writing failed: " + result.error().message +
            "; nothing new is accepted until it succeeds, and what is there is kept and forwarded");
    } else if (was_failing && journal_->storage_error() == nullptr) {
        log::info("journal: writing works again");
    }
    if (!result && result.error().code == ErrorCode::corrupt) {
        journal_is_corrupt();
        return;
    }
    if (result && result->evicted_readings > 0) {
        log::warning("journal: full; " + std::to_string(result->evicted_readings) +
                     " of the oldest readings were dropped" +
                     (config_.uplink ? ", the hub will be told" : ""));
    }
    moved();
    poke();
}

void Node::journal_is_corrupt() {
    if (!corrupt_) {
        return;
    }
    boost::asio::post(io_, [alive = alive_, corrupt = std::exchange(corrupt_, nullptr)] {
        if (*alive) {
            corrupt();
        }
    });
}

void Node::moved() {
    seen_durable_ = journal_->durable_before();
    if (server_) {
        server_->journal_moved();
    }
    if (sensors_) {
        sensors_->journal_moved();
    }
}

void Node::arm(Instant deadline) {
    if (deadline == armed_for_) {
        return;
    }
    armed_for_ = deadline;
    if (deadline == kNever) {
        timer_.cancel();
        return;
    }
    const Duration wait = std::clamp<Duration>(
        deadline - std::min(deadline, system::monotonic_now()), Duration{}, std::chrono::hours(1));
    timer_.expires_after(wait);
    timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
        if (!error && *alive) {
            armed_for_ = kNever;
            poke();
        }
    });
}

void Node::told_time(std::int64_t server_time_us) {
    timekeeper_.told(system::now(), server_time_us);
    poke();
}

api::NodeView Node::view() {
    api::NodeView view{.id = config_.node.id,
                       .version = kVersion,
                       .started = started_,
                       .now = system::now(),
                       .journal = *journal_,
                       .journal_limit_bytes = config_.journal.max_size_bytes,
                       .fleet = fleet_,
                       .uplink = {},
                       .listener = {},
                       .sensors = sensors_->states(),
                       .not_ready = not_ready()};
    if (uplink_) {
        view.uplink.emplace(
            api::UplinkView{.client = uplink_->client(),
                            .url = config_.uplink->url,
                            .heartbeat = config_.uplink->heartbeat.value_or(Duration{})});
    }
    if (server_) {
        view.listener.emplace(api::ListenerView{.address = server_->address(),
                                                .connections = server_->connections(),
                                                .sockjs_sessions = server_->sockjs_sessions()});
    }
    return view;
}

void Node::read(Work work, Done done) {
    storage_->run(
        [work = std::move(work)](journal::Store& store) mutable {
            work(store);
            return true;
        },
        [done = std::move(done)](bool) mutable { done(); });
}

std::optional<std::string> Node::not_ready() const {
    if (const Error* error = journal_->storage_error()) {
        return "the journal cannot be written: " + error->message;
    }
    return std::nullopt;
}

Result<std::filesystem::path> move_journal_aside(const Config& config) {
    return journal::Store::move_aside(config.node.data_dir, store_options_of(config));
}

// ---- The end

void Node::stop(std::function<void()> done) {
    stopped_ = std::move(done);
    stop_began_ = system::monotonic_now();
    sensors_->stop();
    if (server_) {
        server_->stop();
    }
    if (uplink_) {
        uplink_->stop();
    }
    journal_->flush();
    poke();
}

void Node::finish_stop() {
    const Duration passed = system::monotonic_now() - stop_began_;
    const bool farewell_said =
        passed >= kFarewellTimeout || ((server_ == nullptr || server_->connections() == 0) &&
                                       (uplink_ == nullptr || uplink_->silent()));
    if (passed < kStopTimeout && !(journal_->clean() && farewell_said)) {
        arm(std::min(armed_for_, system::monotonic_now() + std::chrono::milliseconds(20)));
        return;
    }
    if (!journal_->clean()) {
        log::error("journal: not all of memory could be written before the end");
    }
    boost::asio::post(io_, std::exchange(stopped_, nullptr));
}

}  // namespace holdfast::app
