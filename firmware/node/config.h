#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "firmware/base/clock.h"
#include "firmware/http/proxy.h"
#include "firmware/ingest/sensor.h"
#include "firmware/journal/store.h"
#include "firmware/websocket/deflate.h"

namespace holdfast::node {

/// What a node is to be: the keys of the configuration file (TOML), each with its default, as
/// README.md, "Configuration", says to people.
struct Config {
    struct Node {
        std::string id;  ///< required; letters, digits, '.', '_', '-'; at most 64
        std::filesystem::path data_dir = "/var/lib/holdfast";
    } node;

    struct Journal {
        std::uint64_t max_size_bytes = 256u << 20;  ///< max_size; at least 1 MiB
        journal::WhenFull when_full = journal::WhenFull::drop_oldest;
        Duration commit_interval = std::chrono::milliseconds(200);  ///< 1 ms to 1 h
        /// memory: readings held in memory at most; 64 KiB to 1 GiB, and an eighth of max_size.
        std::uint64_t memory_bytes = 1u << 20;
        std::size_t batch_readings = 16'384;  ///< of one record; not a key of the file
    } journal;

    struct Uplink {
        std::string url;  ///< required in [uplink]; ws:// or wss://
        std::filesystem::path token_file;
        std::filesystem::path ca_file = "/etc/ssl/certs/ca-certificates.crt";
        std::filesystem::path cert_file;  ///< client certificate; with key_file
        std::filesystem::path key_file;
        /// "adaptive" is nullopt: the heartbeat learns what the path allows. Else 1 s to 1 h.
        std::optional<Duration> heartbeat;
        Duration heartbeat_min = std::chrono::seconds(4);   ///< if adaptive; 1 s to 1 h
        Duration heartbeat_max = std::chrono::minutes(30);  ///< heartbeat_min to 1 h
        Duration pong_timeout = std::chrono::seconds(10);   ///< 100 ms to 10 min
        Duration connect_timeout = std::chrono::seconds(10);
        Duration retry_min = std::chrono::milliseconds(500);  ///< 10 ms to 1 h
        Duration retry_max = std::chrono::seconds(60);        ///< retry_min to 1 h
        Duration message_timeout =
            std::chrono::minutes(5);       ///< from the first byte of a hub's message to its last
        websocket::DeflatePolicy deflate;  ///< off: batches are compressed already
        /// From `proxy`, or where the key is absent from the environment; nullopt: none. Its
        /// password is for the proxy only: never logged, never in a message.
        std::optional<http::Proxy> proxy;
        // Not keys of the file: bytes that are sent and not acknowledged, and that are read ahead.
        std::uint64_t window_bytes = 1u << 20;
        std::size_t read_bytes = 256u << 10;
    };
    std::optional<Uplink> uplink;

    struct Listen {
        std::string address = "127.0.0.1:8080";
        std::filesystem::path tls_cert;
        std::filesystem::path tls_key;
        std::filesystem::path
            client_ca;  ///< client certificates signed by it are accepted in place of tokens
        std::vector<std::string> allowed_origins;
        std::uint64_t max_connections = 10'000;
        Duration handshake_timeout = std::chrono::seconds(10);  ///< TLS and the request's head
        Duration idle_timeout =
            std::chrono::seconds(75);  ///< silence, after which a connection is dead
        Duration message_timeout =
            std::chrono::minutes(5);  ///< from a message's first byte to its last
        websocket::DeflatePolicy deflate = {.enabled = true};
        bool share_port = false;  ///< with other processes of this user (SO_REUSEPORT)
        /// max_message, of /v1/push; 1 KiB to 64 MiB, and an eighth of journal.max_size.
        std::uint64_t max_message_bytes = 1u << 20;
        /// How often it is looked whether the tokens of lines were revoked; not a key of the file.
        Duration token_check_interval = std::chrono::seconds(1);
    };
    std::optional<Listen> listen;

    using Sensor = ingest::SensorOptions;
    std::vector<Sensor> sensors;

    struct Log {
        std::string level = "info";  ///< trace, debug, info, warning, error
    } log;
};

}  // namespace holdfast::node
