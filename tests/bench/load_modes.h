#pragma once

#include <cstddef>
#include <string>

#include "tests/bench/load_lines.h"

namespace holdfast::bench {

/// What websocket_load can do; each prints one JSON object on standard output when it is done.

struct EchoLoad {
    Peer peer;
    int server_process = 0;
    std::size_t connections = 1;
    std::size_t pipelining = 1;
    std::size_t size_bytes = 20;
    bool text = false;     ///< sensor text instead of random bytes
    bool deflate = false;  ///< offered, and all messages sent compressed; implies `text`
    double warm_up_s = 0.2;
    double window_s = 1;
};
void run_echo(const EchoLoad& load);

struct IdleLoad {
    Peer peer;
    std::size_t connections = 10'000;
    bool deflate = false;           ///< offered
    bool one_message = false;       ///< each sends one before it idles (compressed if deflate)
    std::size_t size_bytes = 1024;  ///< of that message
};
/// Prints `{"open":N}` when all are open, waits for a line (or the end) of standard input, then
/// sends one message on each and prints how many were answered.
void run_idle(const IdleLoad& load);

struct FanOutLoad {
    Peer peer;
    int server_process = 0;
    std::size_t connections = 10'000;
    std::size_t messages = 20;
    std::size_t size_bytes = 200;
};
/// One connection says something, all hear it; the next message when all have it.
void run_fan_out(const FanOutLoad& load);

struct HandshakeLoad {
    Peer peer;
    int server_process = 0;
    std::string ca_file;
    bool resumed = false;
    bool x25519 = false;  ///< in place of P-256, wolfSSL's first choice
    double window_s = 2;
};
/// TLS 1.3 connections one after the other: connect, handshakes of TLS and WebSocket, close.
void run_handshakes(const HandshakeLoad& load);

}  // namespace holdfast::bench
