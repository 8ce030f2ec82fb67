// A load generator for WebSocket servers: one thread, raw sockets, so that the server is what
// limits. README.md says what its figures mean. One JSON object a result on standard output.

#include <CLI/CLI.hpp>

#include "tests/bench/load_modes.h"

using namespace holdfast::bench;

int main(int argc, char** argv) {
    raise_descriptor_limit();
    Peer peer;
    int process = 0;
    EchoLoad echo;
    IdleLoad idle;
    FanOutLoad fan_out;
    HandshakeLoad handshakes;
    CLI::App line("loads a WebSocket server on this machine");
    line.require_subcommand(1);
    line.add_option("--port", peer.port)->required();
    line.add_option("--server", process, "the server's process id: its CPU time is taken");
    CLI::App* const echoing = line.add_subcommand("echo", "messages there and back");
    echoing->add_option("--connections", echo.connections)->capture_default_str();
    echoing->add_option("--pipelining", echo.pipelining)->capture_default_str();
    echoing->add_option("--size", echo.size_bytes)->capture_default_str();
    echoing->add_option("--seconds", echo.window_s)->capture_default_str();
    echoing->add_flag("--text", echo.text, "sensor text instead of random bytes");
    echoing->add_flag("--deflate", echo.deflate, "compressed sensor text");
    CLI::App* const idling = line.add_subcommand("idle", "connections that say nothing");
    idling->add_option("--connections", idle.connections)->capture_default_str();
    idling->add_option("--size", idle.size_bytes)->capture_default_str();
    idling->add_flag("--deflate", idle.deflate);
    idling->add_flag("--one-message", idle.one_message, "each sends one before it idles");
    CLI::App* const fanning = line.add_subcommand("fanout", "one speaks, all hear it");
    fanning->add_option("--connections", fan_out.connections)->capture_default_str();
    fanning->add_option("--messages", fan_out.messages)->capture_default_str();
    fanning->add_option("--size", fan_out.size_bytes)->capture_default_str();
    CLI::App* const shaking = line.add_subcommand("tls", "TLS 1.3 handshakes");
    shaking->add_option("--ca", handshakes.ca_file)->required();
    shaking->add_option("--seconds", handshakes.window_s)->capture_default_str();
    shaking->add_flag("--resumed", handshakes.resumed);
    shaking->add_flag("--x25519", handshakes.x25519, "for the key exchange, not P-256");
    CLI11_PARSE(line, argc, argv);
    echo.peer = idle.peer = fan_out.peer = handshakes.peer = peer;
    echo.server_process = fan_out.server_process = handshakes.server_process = process;
    if (*echoing) {
        run_echo(echo);
    } else if (*idling) {
        run_idle(idle);
    } else if (*fanning) {
        run_fan_out(fan_out);
    } else {
        run_handshakes(handshakes);
    }
    return 0;
}
