#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/hub/fleet.h"
#include "firmware/ingest/sensor.h"
#include "firmware/journal/journal.h"
#include "firmware/journal/store.h"
#include "firmware/uplink/client.h"

namespace holdfast::api {

struct UplinkView {
    const uplink::Client& client;
    std::string_view url;  ///< as it was configured
    Duration heartbeat{};  ///< of the configuration; where it is adaptive the client knows better
};

struct ListenerView {
    std::string_view address;
    std::size_t connections = 0;
    std::size_t sockjs_sessions = 0;
};

/// What answers need of a running node. It is made for one answer and used at once: it views the
/// node's parts.
struct NodeView {
    std::string_view id;
    std::string_view version;
    Instant started;
    Now now;
    const journal::Journal& journal;
    std::uint64_t journal_limit_bytes;
    const hub::Fleet& fleet;
    std::optional<UplinkView> uplink;
    std::optional<ListenerView> listener;
    std::vector<ingest::SensorState> sensors;
    /// Why the node is not ready to take readings; nullopt: it is.
    std::optional<std::string> not_ready;
};

/// The node that is asked. On the network thread.
class AskedNode {
public:
    virtual ~AskedNode() = default;

    [[nodiscard]] virtual NodeView view() = 0;

    /// Calls `work(store)` where the store may be read, then `done()` on the network thread. Once
    /// the node has gone neither is called any more.
    using Work = std::move_only_function<void(journal::Store&)>;
    using Done = std::move_only_function<void()>;
    virtual void read(Work work, Done done) = 0;
};

}  // namespace holdfast::api
