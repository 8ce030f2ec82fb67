#include "firmware/node/node.h"

#include <algorithm>
#include <utility>

#include "firmware/base/check.h"
#include "firmware/node/server.h"
#include "firmware/node/uplink_owner.h"

namespace holdfast::node {

namespace {

/// The note that names the boot in which a fix is owed.
constexpr const char* kClockNote = "clock";
/// How long an orderly stop may wait for the disk, and for peers that do not answer a farewell.
constexpr Duration kStopTimeout = std::chrono::seconds(4);
constexpr Duration kFarewellTimeout = std::chrono::milliseconds(1500);
/// While the node stops, it looks so often whether it may end.
constexpr Duration kStopCheck = std::chrono::milliseconds(20);
constexpr Duration kLongestSleep = std::chrono::hours(1);

journal::StoreOptions store_options_of(const Ports& ports, const Config& config) {
    journal::StoreOptions options;
    options.origin = config.node.id;
    options.max_size_bytes = config.journal.max_size_bytes;
    options.when_full = config.journal.when_full;
    options.owes_upstream = config.uplink.has_value();
    options.database = ports.database;
    options.observer = ports.observer;
    return options;
}

}  // namespace

Result<std::unique_ptr<Node>> Node::start(const Ports& ports, Config config) {
    auto node = std::unique_ptr<Node>(new Node(ports, std::move(config)));
    if (Result<void> opened = node->open_journal(); !opened) {
        return std::unexpected(std::move(opened).error());
    }
    if (Result<void> opened = node->open_parts(); !opened) {
        return std::unexpected(std::move(opened).error());
    }
    node->poke();
    return node;
}

Node::Node(const Ports& ports, Config config)
    : ports_(ports),
      config_(std::move(config)),
      started_(ports_.clock.now().monotonic),
      timekeeper_(ports_.clock.boot_id()),
      timer_(ports_.loop.make_timer([this] { poke(); })),
      watchdog_interval_(ports_.supervisor.watchdog_interval()) {
    if (watchdog_interval_) {
        next_watchdog_ = started_;
    }
}

/// The parts go before what they stand on. The storage queue ends first, so that none of its
/// results finds a part gone.
Node::~Node() {
    *alive_ = false;
    storage_.reset();
    inputs_.reset();
    server_.reset();
    uplink_.reset();
}

Result<void> Node::open_journal() {
    const std::filesystem::path& directory = config_.node.data_dir;
    const journal::StoreOptions store_options = store_options_of(ports_, config_);
    journal::Opened opened;
    Result<journal::Store> store =
        journal::Store::open(directory, store_options, ports_.entropy, opened);
    if (!store) {
        return std::unexpected(std::move(store).error().context("journal"));
    }
    if (opened.moved_aside) {
        log().error("journal: the database could not be used (" + opened.moved_because +
                    "); it was moved to " + opened.moved_aside->string() +
                    ", and a new one begins");
    }
    journal::JournalOptions options;
    options.origin = config_.node.id;
    options.owes_upstream = config_.uplink.has_value();
    options.commit_interval = config_.journal.commit_interval;
    options.memory_bytes = config_.journal.memory_bytes;
    options.batch_readings = config_.journal.batch_readings;
    journal_.emplace(opened, options);
    for (const journal::Stream& stream : opened.streams) {
        if (stream.origin != config_.node.id) {
            fleet_[stream.origin].readings += stream.through;
        }
    }
    notes_ = std::move(opened.notes);
    clock_noted_ = std::ranges::any_of(notes_, [this](const journal::Note& note) {
        return note.name == kClockNote && note.text == std::to_string(ports_.clock.boot_id());
    });
    timekeeper_ = ingest::Timekeeper(ports_.clock.boot_id(), clock_noted_);
    storage_ = std::make_unique<StorageQueue>(ports_.make_worker(), *std::move(store));
    log().info("journal: " + std::to_string(opened.used_bytes / 1024) + " KiB in " +
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
        log().info("listen: on " + server_->address());
    }
    if (config_.uplink) {
        Result<std::unique_ptr<UplinkOwner>> uplink = UplinkOwner::make(*this, *config_.uplink);
        if (!uplink) {
            return std::unexpected(std::move(uplink).error());
        }
        uplink_ = *std::move(uplink);
        uplink_->remember(std::exchange(notes_, {}));
    }
    ingest::InputContext context{.shared = shared(),
                                 .timekeeper = timekeeper_,
                                 .clock = ports_.clock,
                                 .log = ports_.log,
                                 .memory_bytes = config_.journal.memory_bytes,
                                 .appended = [this] { poke(); }};
    inputs_ = std::make_unique<ingest::Inputs>(std::move(context), config_.sensors,
                                               ports_.make_driver, ports_.open_lines);
    return {};
}

// ---- Turns

void Node::poke() {
    if (!std::exchange(poked_, true)) {
        ports_.loop.post([this, alive = alive_] {
            if (*alive) {
                turn();
            }
        });
    }
}

/// Everything that is due, once an event: the sensors are asked, the storage queue gets its work,
/// the line its messages, the timer its deadline.
void Node::turn() {
    poked_ = false;
    const Now now = this->now();
    Instant deadline = inputs_->turn(now);
    keep_time(now);
    // The journal before the line: it closes the batch that has waited long enough, and the line
    // sends it in the same turn, so that the hub has it before it would have to be written here.
    write(now);
    if (uplink_) {
        deadline = std::min(deadline, uplink_->turn(now));
    }
    if (server_) {
        deadline = std::min(deadline, server_->turn(now));
    }
    if (journal_->durable_before() != seen_durable_) {
        moved();
    }
    feed_watchdog(now);
    deadline = std::min({deadline, journal_->deadline(), next_watchdog_});
    if (stopped_) {
        finish_stop(now);
        deadline = std::min(deadline, now.monotonic + kStopCheck);
    }
    timer_->arm(deadline == kNever ? kNever : std::min(deadline, now.monotonic + kLongestSleep));
}

/// Gives the readings of an unknown clock their time, once it is known.
void Node::keep_time(Now now) {
    if (const std::optional<journal::ClockFix> fix = timekeeper_.fix(now)) {
        log().info("clock: the time is known now; readings taken before will be given theirs");
        journal_->append(*fix, now.monotonic);
    }
    if (timekeeper_.owes_fix() != clock_noted_) {
        clock_noted_ = timekeeper_.owes_fix();
        const std::string boot = clock_noted_ ? std::to_string(ports_.clock.boot_id()) : "";
        const Result<void> kept = journal_->note(kClockNote, boot, now.monotonic);
        HOLDFAST_CHECK(kept);
    }
}

void Node::write(Now now) {
    std::optional<journal::Write> write = journal_->take_write(now.monotonic);
    if (!write) {
        return;
    }
    storage_->run([write = std::move(*write)](journal::Store& store) { return store.write(write); },
                  [this](const Result<journal::Written>& result) { written(result); });
}

void Node::written(const Result<journal::Written>& result) {
    const bool was_failing = journal_->storage_error() != nullptr;
    journal_->written(result, now().monotonic);
    if (!result && !was_failing) {
        log().error(
            "journal: writing failed: " + result.error().message +
            "; nothing new is accepted until it succeeds, and what is there is kept and forwarded");
    } else if (was_failing && journal_->storage_error() == nullptr) {
        log().info("journal: writing works again");
    }
    if (!result && result.error().code == ErrorCode::corrupt) {
        journal_is_corrupt();
        return;
    }
    if (result && result->evicted_readings > 0) {
        log().warning("journal: full; " + std::to_string(result->evicted_readings) +
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
    ports_.loop.post([alive = alive_, corrupt = std::exchange(corrupt_, nullptr)] {
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
    if (inputs_) {
        inputs_->journal_moved();
    }
}

/// Alive is a node whose storage answers: so the sign of life takes the way of a write.
void Node::feed_watchdog(Now now) {
    if (now.monotonic < next_watchdog_) {
        return;
    }
    next_watchdog_ = kNever;  // until the storage has answered
    storage_->run([](journal::Store&) { return true; },
                  [this](bool) {
                      ports_.supervisor.alive();
                      next_watchdog_ = this->now().monotonic + *watchdog_interval_ / 2;
                      poke();
                  });
}

void Node::told_time(std::int64_t server_time_us) {
    timekeeper_.told(now(), server_time_us);
    poke();
}

api::NodeView Node::view() {
    api::NodeView view{.id = config_.node.id,
                       .version = kVersion,
                       .started = started_,
                       .now = now(),
                       .journal = *journal_,
                       .journal_limit_bytes = config_.journal.max_size_bytes,
                       .fleet = fleet_,
                       .uplink = {},
                       .listener = {},
                       .sensors = inputs_->states(),
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

Result<std::filesystem::path> move_journal_aside(const Ports& ports, const Config& config) {
    return journal::Store::move_aside(config.node.data_dir, store_options_of(ports, config));
}

// ---- The end

void Node::stop(std::function<void()> done) {
    stopped_ = std::move(done);
    stop_began_ = now().monotonic;
    inputs_->stop();
    if (server_) {
        server_->stop();
    }
    if (uplink_) {
        uplink_->stop();
    }
    journal_->flush();
    poke();
}

void Node::finish_stop(Now now) {
    const Duration passed = now.monotonic - stop_began_;
    const bool farewell_said =
        passed >= kFarewellTimeout || ((server_ == nullptr || server_->connections() == 0) &&
                                       (uplink_ == nullptr || uplink_->silent()));
    if (passed < kStopTimeout && !(journal_->clean() && farewell_said)) {
        return;
    }
    if (!journal_->clean()) {
        log().error("journal: not all of memory could be written before the end");
    }
    ports_.loop.post(std::exchange(stopped_, nullptr));
}

}  // namespace holdfast::node
