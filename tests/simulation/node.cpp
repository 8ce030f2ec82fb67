#include "tests/simulation/node.h"

#include <algorithm>
#include <utility>

namespace holdfast::simulation {

namespace {

using namespace std::chrono_literals;

constexpr const char* kDirectory = "/node";
/// The boot whose readings still lack their time.
constexpr const char* kClockNote = "clock";
/// A machine's clock does not begin with 0 when the first program starts.
constexpr Duration kUptimeAtStart = 3s;
constexpr Duration kRestartAfterFailure = 3s;
constexpr unsigned kMostTurnsAtOnce = 5000;

}  // namespace

Node::Node(Setting& setting, Truth& truth, NodePlan plan, Node* upstream)
    : setting_(setting),
      truth_(truth),
      plan_(std::move(plan)),
      upstream_(upstream),
      disk_("simulation-" + plan_.id),
      direct_(plan_.path),
      proxied_(plan_.path) {
    proxied_.to = "proxy-" + plan_.id;
    boot_ = setting.random.number() | 1;
    clock_set_ = plan_.has_rtc;
    if (plan_.evicts) {
        truth.may_evict();
    }
}

Node::~Node() {
    ++life_;
}

Now Node::now() const {
    const Instant monotonic = Instant{} + kUptimeAtStart + (setting_.clock.now() - booted_at_);
    const WallTime unset{monotonic.time_since_epoch()};
    return {monotonic, clock_set_ ? setting_.wall() + skew_ : unset};
}

Instant Node::simulated_time(Instant own) const {
    return booted_at_ + (own - Instant{} - kUptimeAtStart);
}

// ---- Life and death

void Node::start() {
    if (up()) {
        return;
    }
    setting_.network.power_on(plan_.id);
    journal::StoreOptions options;
    options.origin = plan_.id;
    options.max_size_bytes = plan_.max_size_bytes;
    options.owes_upstream = upstream_ != nullptr;
    options.database.vfs = disk_.name();
    if (plan_.evicts) {
        options.database.wal_bytes = 32 << 10;
    }
    journal::Opened opened;
    Result<journal::Store> store =
        journal::Store::open(kDirectory, options, setting_.random, opened);
    if (!store) {
        setting_.say(plan_.id, "cannot start: " + store.error().message);
        setting_.clock.after(kRestartAfterFailure, [this] { start(); });
        return;
    }
    if (opened.moved_aside) {
        setting_.violated("stable storage",
                          plan_.id + " moved its journal aside: " + opened.moved_because);
    }
    truth_.opened(plan_.id, opened);
    store_.emplace(*std::move(store));
    journal::JournalOptions journal_options;
    journal_options.origin = plan_.id;
    journal_options.owes_upstream = upstream_ != nullptr;
    journal_options.memory_bytes = plan_.memory_bytes;
    journal_options.batch_readings = plan_.batch_readings;
    journal_ = std::make_unique<journal::Journal>(opened, journal_options);
    const bool owes_fix = std::ranges::any_of(opened.notes, [this](const journal::Note& note) {
        return note.name == kClockNote && note.text == std::to_string(boot_);
    });
    timekeeper_ = std::make_unique<ingest::Timekeeper>(boot_, owes_fix);
    clock_noted_ = owes_fix;
    if (plan_.listens) {
        listener_ = std::make_unique<Listener>(setting_, *this, tokens_);
    }
    if (upstream_ != nullptr) {
        port_ = std::make_unique<UplinkPort>(setting_, *this, *journal_, plan_, boot_);
        for (const journal::Note& note : opened.notes) {
            port_->client().remember(note.name, note.text);
        }
    }
    seen_durable_ = journal_->durable_before();
    slowest_write_ = {};
    setting_.say(plan_.id, "starts, run " + std::to_string(opened.own.epoch.run) + ", backlog " +
                               std::to_string(journal_->backlog()));
    feed();
    poke();
}

void Node::go_down(bool power) {
    ++life_;
    ++crashes_;
    const Truth::Life& own = truth_.life(epoch());
    const Instant now = setting_.clock.now();
    const Duration bound = 1s + 3 * slowest_write_;
    const bool storage_well = now - storage_failed_at_ > 10s || storage_failed_at_ == Instant{};
    if (storage_well && !doomed_ && plan_.memory_bytes >= (64u << 10) &&
        own.owed < own.given.size() && own.given[own.owed].at + bound < now) {
        setting_.violated("commit interval",
                          text_of(epoch(), own.owed + 1) + " is not durable after " +
                              std::to_string((now - own.given[own.owed].at) / 1ms) + " ms");
    }
    setting_.say(plan_.id, power ? "loses power" : "is killed");
    power ? setting_.network.power_off(plan_.id) : setting_.network.kill(plan_.id);
    port_.reset();
    listener_.reset();
    timekeeper_.reset();
    journal_.reset();
    tasks_.clear();
    live_ = {};
    fleet_.clear();
    busy_ = poked_ = doomed_ = was_live_ = false;
    known_since_ = kNever;
    armed_ = kNever;
    stall_ = {};
}

void Node::kill() {
    if (up()) {
        go_down(false);
        store_.reset();
    }
}

void Node::power_cut() {
    if (!up()) {
        return;
    }
    go_down(true);
    disk_.heal();
    disk_.power_cut(setting_.random.next());
    store_.reset();
    boot_ = setting_.random.number() | 1;
    booted_at_ = setting_.clock.now();
    clock_set_ = plan_.has_rtc || setting_.quiet;
    skew_ = {};
    if (!clock_set_) {
        const bool soon = setting_.random.chance(50);
        setting_.clock.after(setting_.random.between(5s, soon ? 20s : 10min),
                             [this] { clock_set_ = true; });
    }
}

void Node::power_cut_in_write(std::uint64_t nth) {
    if (up()) {
        doomed_ = true;
        disk_.fail_write({.nth = nth, .lasting = true});
        disk_.fail_sync({.nth = 1 + nth / 3, .lasting = true});
    }
}

void Node::heal() {
    disk_.heal();
    disk_.set_size_limit(std::numeric_limits<std::uint64_t>::max());
    doomed_ = false;
    stall_ = {};
    clock_set_ = true;
}

void Node::give_token(Node& device) {
    device.token_ = tokens_.create(device.id(), device.plan().listens, now().wall, setting_.random);
}

void Node::revoke(const std::string& device) {
    if (tokens_.revoke(device) > 0 && listener_) {
        listener_->send_away(device, "the device's token was revoked", 30s);
    }
}

// ---- Turns

void Node::poke() {
    if (up() && !std::exchange(poked_, true)) {
        setting_.clock.after(0us, [this, life = life_] {
            if (life == life_) {
                poked_ = false;
                turn();
            }
        });
    }
}

void Node::turn() {
    const Instant before = turn_at_;
    turn_at_ = setting_.clock.now();
    turns_ = before == turn_at_ ? turns_ + 1 : 0;
    if (turns_ > kMostTurnsAtOnce) {
        setting_.violated("limits", plan_.id + " turns without end");
        return;
    }
    const Now now = this->now();
    if (const std::optional<journal::ClockFix> fix = timekeeper_->fix(now)) {
        const std::uint64_t seq = journal_->own_next_seq();
        journal_->append(*fix, now.monotonic);
        Given given;
        given.kind = Given::Kind::clock_fix;
        note_given(seq, {given});
    }
    if (timekeeper_->owes_fix() != std::exchange(clock_noted_, timekeeper_->owes_fix())) {
        note(kClockNote, clock_noted_ ? std::to_string(boot_) : "");
    }
    write();
    Instant deadline = kNever;
    if (port_) {
        deadline = port_->turn();
    }
    if (listener_) {
        deadline = std::min(deadline, listener_->turn());
    }
    if (journal_->durable_before() != seen_durable_) {
        moved();
    }
    check();
    arm(std::min(deadline, journal_->deadline()));
}

void Node::arm(Instant deadline) {
    if (deadline == kNever || !up()) {
        return;
    }
    const Instant when = std::max(simulated_time(deadline), setting_.clock.now());
    if (armed_ > setting_.clock.now() && armed_ <= when) {
        return;  // earlier than need be, but it will arm again
    }
    armed_ = when;
    setting_.clock.at(when, [this, life = life_, when] {
        if (life == life_ && armed_ == when) {
            armed_ = kNever;
            poke();
        }
    });
}

void Node::moved() {
    seen_durable_ = journal_->durable_before();
    if (listener_) {
        listener_->journal_moved();
    }
}

// ---- Storage

template <class Work, class Done>
void Node::run(Work work, Done done) {
    tasks_.push_back([this, work = std::move(work), done = std::move(done)]() mutable {
        const std::uint64_t syncs = disk_.counters().syncs;
        auto result = std::make_shared<decltype(work(*store_))>(work(*store_));
        Duration took = setting_.random.between(100us, 2ms) + std::exchange(stall_, {});
        took += plan_.sync * static_cast<std::int64_t>(disk_.counters().syncs - syncs);
        if (!*result) {
            storage_failed_at_ = setting_.clock.now();
            setting_.say(plan_.id, "storage: " + result->error().message);
            if (result->error().code == ErrorCode::corrupt) {
                setting_.violated("stable storage", plan_.id + ": " + result->error().message);
            }
            if (doomed_) {
                setting_.clock.after(0us, [this, life = life_] {
                    if (life == life_) {
                        power_cut();
                        setting_.clock.after(5s, [this] { start(); });
                    }
                });
            }
        }
        setting_.clock.after(took,
                             [this, life = life_, result, finish = std::move(done)]() mutable {
                                 if (life == life_) {
                                     busy_ = false;
                                     finish(std::move(*result));
                                     next_task();
                                 }
                             });
        return took;
    });
    next_task();
}

void Node::next_task() {
    if (busy_ || tasks_.empty()) {
        return;
    }
    busy_ = true;
    setting_.clock.after(setting_.random.between(10us, 500us), [this, life = life_] {
        if (life == life_) {
            auto task = std::move(tasks_.front());
            tasks_.pop_front();
            slowest_write_ = std::max(slowest_write_, task());
        }
    });
}

void Node::write() {
    std::optional<journal::Write> taken = journal_->take_write(now().monotonic);
    if (!taken) {
        return;
    }
    run(
        [this, write = *std::move(taken)](journal::Store& store) {
            Result<journal::Written> result = store.write(write);
            if (setting_.traces()) {
                setting_.say(plan_.id, "write of " + std::to_string(write.records.size()) +
                                           " records, release before " +
                                           std::to_string(write.release_before) +
                                           (result ? "" : " fails"));
            }
            if (result) {
                truth_.stored(plan_.id, upstream_ == nullptr, write, *journal_);
            }
            return result;
        },
        [this](const Result<journal::Written>& result) {
            journal_->written(result, now().monotonic);
            moved();
            poke();
        });
}

void Node::read(uplink::Uplink::Read read) {
    run([read](journal::Store& store) { return store.read(read.position, read.max_bytes); },
        [this, read](Result<std::vector<journal::Record>> records) {
            if (setting_.traces()) {
                setting_.say(plan_.id, "read from " + std::to_string(read.position) + ": " +
                                           std::to_string(records ? records->size() : 0) +
                                           " records");
            }
            port_->client().engine().fetched(std::move(records), now().monotonic);
            poke();
        });
}

void Node::note(const std::string& name, const std::string& text) {
    setting_.say(plan_.id, "note " + name + " = " + text);
    if (!journal_->note(name, text, now().monotonic)) {
        setting_.violated("limits", plan_.id + " makes a note that cannot be kept: " + name);
    }
}

void Node::told(std::int64_t server_time_us) {
    timekeeper_->told(now(), server_time_us);
    poke();
}

bool Node::settled() const {
    if (!up()) {
        return false;
    }
    return upstream_ == nullptr ? journal_->durable_before() == journal_->next_position()
                                : journal_->first_position() == journal_->next_position();
}

}  // namespace holdfast::simulation
