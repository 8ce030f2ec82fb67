// Messages on /v1/push, one a line of the input, with and without a source: each is taken whole or
// not at all, its answers are JSON, and what was taken is in the journal once and in order.
#include <boost/json.hpp>

#include "firmware/ingest/push.h"
#include "tests/firmware/journal/journal_desk.h"
#include "tests/firmware/telemetry/batches.h"
#include "tests/fuzz/input.h"

using namespace holdfast;
using namespace holdfast::simulation;

namespace {

constexpr std::string_view kSource = "s";

/// The value of the answer's first key, -1 for an error.
std::int64_t told(const std::string& answer) {
    const boost::json::value parsed = boost::json::parse(answer);
    const boost::json::object& object = parsed.as_object();
    if (object.contains("error")) {
        HOLDFAST_CHECK(object.size() == 2 && !object.at("error").as_string().empty() &&
                       object.at("at").is_int64());
        return -1;
    }
    HOLDFAST_CHECK(object.size() == 1 && object.begin()->value().is_int64());
    return object.begin()->value().as_int64();
}

class Sender {
public:
    explicit Sender(bool numbered) : numbered_(numbered), desk_(options()) { connect(); }

    void send(std::string_view text, ingest::Stamp stamp) {
        const auto readings = telemetry::parse_readings(text, kLimits);
        const std::uint64_t next = desk_.journal->next_position();
        if (const auto answer = push_->received(text, stamp, desk_.now)) {
            HOLDFAST_CHECK(told(*answer) == -1);
            HOLDFAST_CHECK(desk_.journal->next_position() == next);
            return;
        }
        HOLDFAST_CHECK(readings.has_value());
        for (const telemetry::JsonReading& reading : *readings) {
            if (!numbered_) {
                values_.push_back(reading.value);
            } else if (*reading.n > through_) {
                HOLDFAST_CHECK(*reading.n == ++through_);
                values_.push_back(reading.value);
            }
        }
        HOLDFAST_CHECK(desk_.journal->next_position() == values_.size() + 1);
    }

    void commit() {
        const bool waits = !push_->idle();
        while (desk_.write() >= 0) {
        }
        const auto answer = push_->durable();
        HOLDFAST_CHECK(answer.has_value() == waits && push_->idle());
        if (answer) {
            const std::size_t expected =
                numbered_ ? through_ : values_.size() - before_this_connection_;
            HOLDFAST_CHECK(told(*answer) == static_cast<std::int64_t>(expected));
        }
    }

    void connect() {
        push_ =
            std::make_unique<ingest::PushSession>(hub::Shared{*desk_.journal, fleet_, live_},
                                                  std::string(numbered_ ? kSource : ""), kLimits);
        before_this_connection_ = values_.size();
        HOLDFAST_CHECK(push_->greeting().has_value() == numbered_);
    }

    /// All that was taken stands in the store as it was given.
    void compare() {
        commit();
        const auto records = desk_.store.read(1, 1u << 30);
        std::size_t at = 0;
        for (const journal::Record& record : *records) {
            const auto batch = telemetry::decode(*record.body);
            for (const telemetry::Reading& reading : batch->readings) {
                const telemetry::Batch left{0, {{1, 0, reading.value}}};
                const telemetry::Batch right{0, {{1, 0, values_.at(at++)}}};
                HOLDFAST_CHECK(telemetry::same(left, right));
            }
        }
        HOLDFAST_CHECK(at == values_.size());
    }

private:
    static constexpr telemetry::JsonLimits kLimits{
        .text_size_bytes = 4096, .readings = 50, .channel_name_bytes = 20, .unit_bytes = 8};
    static journal::JournalOptions options() {
        journal::JournalOptions options;
        options.channels_per_origin = 10;
        return options;
    }

    bool numbered_;
    Desk desk_;
    hub::Fleet fleet_;
    hub::LiveFeed live_;
    std::unique_ptr<ingest::PushSession> push_;
    std::vector<telemetry::Value> values_;
    std::size_t before_this_connection_ = 0;
    std::uint64_t through_ = 0;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const unsigned mode = input.byte();
    Sender sender((mode & 1u) != 0);
    // The clock may be unknown, or become known on the way.
    const ingest::Stamp stamps[] = {{(mode & 2u) != 0 ? 77u : 0u, 5}, {0, 6}};
    std::string_view rest = as_text(input.rest());
    for (std::size_t count = 0; !rest.empty(); ++count) {
        const std::string line(rest.substr(0, rest.find('\n')));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        if (line.empty()) {
            sender.commit();
        } else if (line == "again") {
            sender.commit();
            sender.connect();
        } else {
            sender.send(line, stamps[(mode & 4u) != 0 && count > 2 ? 1 : 0]);
        }
    }
    sender.compare();
    return 0;
}
