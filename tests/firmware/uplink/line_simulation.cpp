#include "tests/firmware/uplink/line_simulation.h"

#include <cstring>

namespace holdfast::simulation {

using namespace std::chrono_literals;

namespace {

constexpr Duration kTrouble = 90s;
constexpr Duration kPatience = 30min;
/// The longest that a write may take: it waits for the operations before it.
constexpr Duration kSlowestWrite = 150ms;
constexpr const char* kSource = "counter";

WallTime wall(Instant now) {
    return WallTime(1'790'000'000s + now.time_since_epoch());
}

bool same(const telemetry::Value& a, const telemetry::Value& b) {
    if (const auto* left = std::get_if<double>(&a)) {
        const auto* right = std::get_if<double>(&b);
        return right != nullptr && std::memcmp(left, right, sizeof *left) == 0;
    }
    return a == b;
}

std::string name(const EpochKey& key, std::uint64_t seq) {
    return key.first + " run " + std::to_string(key.second.run) + " number " + std::to_string(seq);
}

/// An epoch's numbers begin with 1.
const Given& number(const std::vector<Given>& given, std::uint64_t seq) {
    return given[static_cast<std::size_t>(seq - 1)];
}

}  // namespace

World::World(std::uint64_t seed, const MakeStorage& make) : random_(seed) {
    failures_ = random_.chance(40);
    const bool limits = random_.chance(30);
    add_node("hub", nullptr, false);
    Node* upstream = nodes_[0].get();
    if (random_.chance(50)) {
        add_node("site", upstream, true);
        upstream = nodes_[1].get();
    }
    const std::uint64_t devices = 1 + random_.below(3);
    for (std::uint64_t i = 0; i < devices; ++i) {
        add_node("device-" + std::to_string(i), random_.chance(70) ? upstream : nodes_[0].get(),
                 false);
    }
    for (const auto& node : nodes_) {
        node->evicts = limits && node->upstream != nullptr && random_.chance(60);
        if (node->evicts) {
            // What memory holds must fit into the journal, or no write ever succeeds.
            node->options.memory_bytes = 4000;
        }
        node->storage = make(node->id, node->evicts ? 20 + random_.below(200) : 1u << 30,
                             node->upstream != nullptr);
        start(*node);
    }
}

World::~World() {
    // Lines refer to their nodes.
    for (const auto& link : links_) {
        link->line.reset();
    }
}

void World::add_node(const std::string& id, Node* upstream, bool relay) {
    auto node = std::make_unique<Node>();
    node->id = id;
    node->upstream = upstream;
    node->relay = relay;
    node->options.origin = id;
    node->options.owes_upstream = upstream != nullptr;
    if (random_.chance(40)) {
        node->options.memory_bytes = 2000 + random_.below(20'000);
        node->options.batch_readings = 1 + random_.below(40);
    }
    nodes_.push_back(std::move(node));
}

void World::at(Instant when, Event event) {
    events_.emplace(when, std::move(event));
}

void World::later(std::int64_t max_us, Event event) {
    at(now_ + Duration(random_.engine() % static_cast<std::uint64_t>(max_us) + 1),
       std::move(event));
}

// ---- Life and death

void World::start(Node& node) {
    if (node.up) {
        return;
    }
    const journal::Opened opened = node.storage->open(random_);
    node.journal = std::make_unique<journal::Journal>(opened, node.options);
    node.up = true;
    node.storage_busy = now_;
    node.armed = kNever;
    truth_[{node.id, node.journal->own().epoch}];
    if (node.upstream != nullptr) {
        uplink::UplinkOptions options;
        options.device = node.id;
        if (random_.chance(50)) {
            options.window_bytes = 200 + random_.below(5000);
            options.read_bytes = 1 + random_.below(5000);
        }
        node.uplink = std::make_unique<uplink::Uplink>(*node.journal, options, random_);
        const std::uint64_t life = node.life;
        later(1'000'000, [this, &node, life] {
            if (node.life == life) {
                feed(node);
            }
        });
    }
    turn(node);
}

void World::crash(Node& node) {
    if (!node.up) {
        return;
    }
    ++counts_.crashes;
    for (Given& given : truth_[{node.id, node.journal->own().epoch}]) {
        const bool overdue =
            given.at + node.options.commit_interval + kSlowestWrite < now_ && !given.refused;
        given.owed |= overdue && given.at > node.last_failure && given.source_number == 0;
    }
    for (const auto& link : links_) {
        if (link->server == &node && link->line) {
            link->line.reset();
            link->lost = true;
            if (random_.chance(60)) {
                later(3'000'000,
                      [this, link] { close_client(link, {ErrorCode::closed, "the hub is gone"}); });
            }
        }
        if (link->client == &node && link->client_open) {
            link->client_open = false;
            link->lost = true;
            later(random_.chance(50) ? 1'000'000 : 60'000'000,
                  [this, link] { close_server(link); });
        }
    }
    ++node.life;
    node.up = false;
    node.link.reset();
    node.uplink.reset();
    node.journal.reset();
    node.promises.clear();
    node.storage->crash(random_.engine());
    const bool long_outage = node.upstream == nullptr || node.relay ? random_.chance(30) : false;
    later(long_outage          ? 60'000'000
          : random_.chance(70) ? 2'000'000
                               : 20'000'000,
          [this, &node] { start(node); });
}

void World::trouble() {
    if (quiet_) {
        return;
    }
    later(4'000'000, [this] { trouble(); });
    Node& node = *nodes_[random_.below(nodes_.size())];
    const std::uint64_t kind = random_.below(100);
    if (kind < 40 && !links_.empty()) {
        cut(links_[random_.below(links_.size())]);
    } else if (kind < 60) {
        crash(node);
    } else if (kind < 80 && failures_ && node.up) {
        ++counts_.failures;
        for (std::uint64_t n = 1 + random_.below(3); n > 0; --n) {
            node.storage->fail_next();
        }
    }
}

// ---- Readings

void World::feed(Node& node) {
    if (quiet_ || !node.up) {
        return;
    }
    append(node);
    turn(node);
    const std::uint64_t life = node.life;
    later(random_.chance(80) ? 300'000 : 3'000'000, [this, &node, life] {
        if (node.life == life) {
            feed(node);
        }
    });
}

void World::append(Node& node) {
    journal::Journal& journal = *node.journal;
    const std::uint64_t kind = random_.below(100);
    const std::uint64_t first_seq = journal.own_next_seq();
    if (kind < 4) {
        const journal::ClockFix fix{77, now_.time_since_epoch().count(),
                                    wall(now_).time_since_epoch().count()};
        journal.append(fix, now_);
        note(node, first_seq, {Given{{}, "", 0, false, 0, false, now_}});
        return;
    }
    const bool from_source = kind < 30;
    const bool at_once = from_source || kind < 50;
    const bool refused = journal.room() == 0;
    if (at_once && refused) {
        return;
    }
    const std::uint64_t boot = random_.chance(10) ? 77 : 0;
    std::vector<telemetry::Reading> readings;
    std::vector<Given> given;
    journal::SourcePosition source = journal.source(kSource);
    for (std::uint64_t n = 1 + random_.below(random_.chance(5) ? 60 : 4); n > 0; --n) {
        const std::string channel = from_source ? "source"
                                    : random_.chance(97)
                                        ? "c" + std::to_string(random_.below(3))
                                        : "x" + std::to_string(random_.below(1000));
        telemetry::Value value = static_cast<std::int64_t>(++source.position);
        if (!from_source && random_.chance(30)) {
            value = std::bit_cast<double>(random_.engine());
        } else if (!from_source && random_.chance(20)) {
            value = std::string(random_.below(random_.chance(30) ? 2000 : 40), 'x');
        }
        const auto id = journal.channel({channel, "u"});
        const telemetry::Reading reading{*id, wall(now_).time_since_epoch().count(), value};
        readings.push_back(reading);
        given.push_back(
            {reading, channel, boot, refused, from_source ? source.position : 0, false, now_});
    }
    const std::uint64_t end =
        journal.append({.readings = readings,
                        .promise = at_once ? journal::Promise::now : journal::Promise::by_deadline,
                        .boot = boot,
                        .source = from_source ? &source : nullptr},
                       now_);
    if (at_once && !from_source) {
        node.promises.push_back({end, {first_seq, readings.size()}});
    }
    counts_.readings += given.size();
    note(node, first_seq, given);
}

void World::note(Node& node, std::uint64_t first_seq, const std::vector<Given>& given) {
    std::vector<Given>& all = truth_[{node.id, node.journal->own().epoch}];
    if (all.size() + 1 != first_seq) {
        broken_ = node.id + ": numbers are not given one after the other";
    }
    all.insert(all.end(), given.begin(), given.end());
}

// ---- What a node does

void World::turn(Node& node) {
    if (!node.up) {
        return;
    }
    write(node);
    drive_lines(node);
    if (node.uplink) {
        drive_uplink(node);
    }
    write(node);
    std::vector<Given>& own = truth_[{node.id, node.journal->own().epoch}];
    while (!node.promises.empty() &&
           node.promises.front().first <= node.journal->durable_before()) {
        const auto [first, count] = node.promises.front().second;
        for (std::size_t i = 0; i < count; ++i) {
            own[first - 1 + i].owed = true;
        }
        node.promises.pop_front();
    }
    std::uint64_t& told = source_told_[node.id];
    told = std::max(told, node.journal->durable_source(kSource));
    arm(node, std::min(node.journal->deadline(), node.uplink ? node.uplink->deadline() : kNever));
}

void World::arm(Node& node, Instant when) {
    if (when == kNever || (node.armed > now_ && node.armed <= when)) {
        return;
    }
    node.armed = std::max(when, now_ + 100us);
    const std::uint64_t life = node.life;
    at(node.armed, [this, &node, life] {
        if (node.life == life) {
            turn(node);
        }
    });
}

void World::write(Node& node) {
    std::optional<journal::Write> taken = node.journal->take_write(now_);
    if (!taken) {
        return;
    }
    const auto result = std::make_shared<Result<journal::Written>>();
    const std::uint64_t life = node.life;
    node.storage_busy = std::max(node.storage_busy, now_) + Duration(random_.below(8000) + 1);
    at(node.storage_busy, [this, &node, life, result, write = *std::move(taken)] {
        if (node.life == life) {
            *result = node.storage->write(write);
        }
    });
    node.storage_busy += Duration(random_.below(2000) + 1);
    at(node.storage_busy, [this, &node, life, result] {
        if (node.life != life) {
            return;
        }
        if (!*result) {
            node.last_failure = now_ + node.options.retry_delay;
        }
        node.journal->written(*result, now_);
        turn(node);
    });
}

void World::drive_uplink(Node& node) {
    if (node.uplink->connect_due(now_)) {
        connect(node);
    }
    const std::shared_ptr<Link> link = node.link;
    if (!link) {
        return;
    }
    if (const std::optional<Error> error = node.uplink->give_up(now_)) {
        close_client(link, *error);
        return;
    }
    const std::uint64_t life = node.life;
    if (const auto read = node.uplink->take_read(now_)) {
        const auto result = std::make_shared<Result<std::vector<journal::Record>>>();
        node.storage_busy = std::max(node.storage_busy, now_) + Duration(random_.below(5000) + 1);
        at(node.storage_busy, [&node, life, result, asked = *read] {
            if (node.life == life) {
                *result = node.storage->read(asked.position, asked.max_bytes);
            }
        });
        node.storage_busy += Duration(random_.below(2000) + 1);
        at(node.storage_busy, [this, &node, life, result] {
            if (node.life == life) {
                node.uplink->fetched(std::move(*result), now_);
                turn(node);
            }
        });
    }
    if (node.uplink->ping_due(now_)) {
        node.uplink->ping_sent(now_);
        send(link, true, {});
    }
    while (std::optional<uplink::Outgoing> message = node.uplink->next_message(now_)) {
        if (message->body) {
            holdfast::append(message->head, *message->body);
        }
        send(link, true, std::move(message->head));
    }
}

void World::drive_lines(Node& node) {
    for (const auto& link : links_) {
        if (link->server != &node || !link->line) {
            continue;
        }
        link->line->durable();
        while (std::optional<Bytes> message = link->line->next_message()) {
            send(link, false, *std::move(message));
        }
        if (link->line->said_goodbye()) {
            later(60'000, [this, link] { close_server(link); });
        }
    }
}

// ---- Lines

void World::connect(Node& node) {
    const std::uint64_t life = node.life;
    later(100'000, [this, &node, life] {
        if (node.life != life) {
            return;
        }
        Node& server = *node.upstream;
        if (!server.up || (!quiet_ && random_.chance(10))) {
            node.uplink->disconnected({ErrorCode::refused, "no hub there"}, now_);
            turn(node);
            return;
        }
        for (const auto& other : links_) {
            if (other->server == &server && other->client == &node && other->line) {
                other->line->superseded();
                other->line->goodbye("a newer line of this device", 0s);
            }
        }
        const auto link = std::make_shared<Link>();
        link->client = &node;
        link->server = &server;
        link->id = next_link_++;
        line::HubEndOptions options;
        options.window_bytes = random_.chance(50) ? options.window_bytes : 500;
        link->line = std::make_unique<line::HubEnd>(
            *server.journal, line::Admission{node.id, node.relay, "here"}, options);
        links_.push_back(link);
        node.link = link;
        node.uplink->connected(now_);
        turn(node);
        turn(server);
    });
}

void World::send(const std::shared_ptr<Link>& link, bool up, Bytes message) {
    Instant& last = up ? link->last_up : link->last_down;
    last = std::max(last + 1us, now_ + Duration(1000 + random_.below(30'000)));
    at(last, [this, link, up, message = std::move(message)] {
        if (!link->lost) {
            receive(link, up, message);
        }
    });
}

void World::receive(const std::shared_ptr<Link>& link, bool up, const Bytes& message) {
    if (up) {
        if (!link->line) {
            return;
        }
        if (message.empty()) {
            send(link, false, {});
            return;
        }
        const auto result = link->line->received(message, {now_, wall(now_)});
        while (link->line->next_event()) {
        }
        if (!result) {
            broken_ = "the line refused " + link->client->id + ": " + result.error().message;
        }
        turn(*link->server);
        return;
    }
    if (!link->client_open) {
        return;
    }
    link->client->uplink->heard(now_);
    if (!message.empty()) {
        if (const auto result = link->client->uplink->received(message, now_); !result) {
            broken_ = link->client->id + " refused its hub: " + result.error().message;
        }
    }
    turn(*link->client);
}

void World::cut(const std::shared_ptr<Link>& link) {
    if (!link->client_open || !link->line) {
        return;
    }
    ++counts_.cuts;
    const std::uint64_t kind = random_.below(3);
    if (kind == 0) {  // A proxy that forgets the connection: nobody is told.
        link->lost = true;
        later(60'000'000, [this, link] { close_server(link); });
        return;
    }
    // One end learns it at once, and what is in flight may still arrive for a while.
    later(40'000, [link] { link->lost = true; });
    if (kind == 1) {
        close_client(link, {ErrorCode::closed, "cut"});
    } else {
        close_server(link);
    }
}

void World::close_client(const std::shared_ptr<Link>& link, const Error& error) {
    if (!link->client_open) {
        return;
    }
    link->client_open = false;
    Node& node = *link->client;
    node.link.reset();
    node.uplink->disconnected(error, now_);
    later(2'000'000, [this, link] { close_server(link); });
    turn(node);
}

void World::close_server(const std::shared_ptr<Link>& link) {
    if (!link->line) {
        return;
    }
    link->line.reset();
    later(2'000'000,
          [this, link] { close_client(link, {ErrorCode::closed, "the hub closed the line"}); });
}

// ---- From the beginning to the end

std::string World::run() {
    trouble();
    at(now_ + kTrouble, [this] {
        quiet_ = true;
        for (const auto& node : nodes_) {
            node->storage->heal();
        }
    });
    while (!events_.empty() && broken_.empty()) {
        const auto next = events_.begin();
        now_ = next->first;
        const Event event = std::move(next->second);
        events_.erase(next);
        event();
        std::erase_if(links_, [](const auto& link) { return !link->line && !link->client_open; });
        if (quiet_ && settled()) {
            return broken_.empty() ? compare() : broken_;
        }
        if (now_ > Instant{} + kTrouble + kPatience) {
            std::string why = "what was appended has not arrived after a quiet half hour";
            for (const auto& node : nodes_) {
                if (node->up && node->journal->storage_error() != nullptr) {
                    why += "; " + node->id + ": " + node->journal->storage_error()->message;
                }
            }
            return why;
        }
    }
    return broken_.empty() ? "nothing happens any more, and not all has arrived" : broken_;
}

bool World::settled() const {
    return std::ranges::all_of(nodes_, [](const auto& node) {
        if (!node->up) {
            return false;
        }
        const journal::Journal& journal = *node->journal;
        return node->upstream == nullptr ? journal.durable_before() == journal.next_position()
                                         : journal.first_position() == journal.next_position();
    });
}

std::string World::compare() {
    Node& hub = *nodes_[0];
    const bool evicted_allowed =
        std::ranges::any_of(nodes_, [](const auto& node) { return node->evicts; });
    std::map<EpochKey, std::uint64_t> through;
    std::map<std::pair<std::string, std::uint64_t>, std::uint32_t> newest;
    std::map<std::string, std::map<std::uint64_t, int>> counted;  // by the source's number
    std::map<std::string, std::uint64_t> last_counted;
    for (std::uint64_t position = 1;;) {
        const auto records = hub.storage->read(position, 64 << 10);
        if (!records || records->empty()) {
            break;
        }
        for (const journal::Record& record : *records) {
            position = record.end_position();
            const journal::Stream& stream = hub.journal->streams().at(record.stream);
            const EpochKey key{stream.origin, stream.epoch};
            if (!truth_.contains(key)) {
                return "nobody gave " + name(key, record.first_seq);
            }
            std::uint32_t& run = newest[{stream.origin, stream.epoch.journal}];
            if (stream.epoch.run < run) {
                return name(key, record.first_seq) + " stands behind the next run";
            }
            run = stream.epoch.run;
            if (record.first_seq != through[key] + 1) {
                return name(key, record.first_seq) + " follows " + std::to_string(through[key]);
            }
            through[key] = record.last_seq;
            std::vector<Given>& given = truth_[key];
            if (record.last_seq > given.size()) {
                return name(key, record.last_seq) + " was never given";
            }
            if (record.kind == journal::RecordKind::gap) {
                ++counts_.gaps;
                const journal::GapReason reason =
                    journal::decode_gap(*record.body).value_or(journal::GapReason::corrupt);
                for (std::uint64_t seq = record.first_seq; seq <= record.last_seq; ++seq) {
                    const Given& missing = number(given, seq);
                    const bool honest =
                        reason == journal::GapReason::evicted
                            ? evicted_allowed
                            : reason == journal::GapReason::refused && missing.refused;
                    if (!honest) {
                        return name(key, seq) + " is in a gap: " + to_string(reason);
                    }
                    if (missing.source_number != 0) {
                        ++counted[key.first][missing.source_number];
                    }
                }
                continue;
            }
            if (record.kind == journal::RecordKind::clock_fix) {
                if (number(given, record.first_seq).reading) {
                    return name(key, record.first_seq) + " is no clock fix";
                }
                continue;
            }
            const auto batch = telemetry::decode(*record.body);
            if (!batch || batch->readings.size() != record.last_seq - record.first_seq + 1) {
                return name(key, record.first_seq) + " cannot be read back";
            }
            const auto channels = hub.journal->channels(stream.origin, stream.epoch.journal);
            for (std::size_t i = 0; i < batch->readings.size(); ++i) {
                const telemetry::Reading& came = batch->readings[i];
                const std::uint64_t seq = record.first_seq + i;
                const Given& gave = number(given, seq);
                if (!gave.reading || gave.refused || gave.reading->time_us != came.time_us ||
                    gave.boot != batch->boot || !same(gave.reading->value, came.value) ||
                    channels[came.channel - 1].name != gave.channel) {
                    return name(key, seq) + " is not what was given";
                }
                if (gave.source_number != 0) {
                    ++counted[key.first][gave.source_number];
                    if (gave.source_number <= last_counted[key.first]) {
                        return name(key, seq) + ": the source's number " +
                               std::to_string(gave.source_number) + " came after " +
                               std::to_string(last_counted[key.first]);
                    }
                    last_counted[key.first] = gave.source_number;
                }
            }
        }
    }
    for (const auto& [key, given] : truth_) {
        const std::uint64_t have = through.contains(key) ? through.at(key) : 0;
        for (std::uint64_t seq = have + 1; seq <= given.size(); ++seq) {
            if (number(given, seq).owed) {
                return name(key, seq) + " was promised and is missing";
            }
        }
        for (const auto& node : nodes_) {
            if (node->id == key.first && node->journal->own().epoch == key.second &&
                have != given.size()) {
                return name(key, have + 1) + " of the present run is missing";
            }
        }
    }
    for (const auto& [device, told] : source_told_) {
        for (std::uint64_t n = 1; n <= told; ++n) {
            if (counted[device][n] != 1) {
                return device + ": the source's number " + std::to_string(n) + " is there " +
                       std::to_string(counted[device][n]) + " times";
            }
        }
    }
    return "";
}

}  // namespace holdfast::simulation
