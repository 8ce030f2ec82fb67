#include <cstdio>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "tests/conformance/raw_line.h"
#include "tests/conformance/script.h"

/// Plays the cases as raw bytes over TCP: to a running websocket_echo_server, or as server to
/// websocket_case_client.
namespace {

using namespace holdfast::conformance;

constexpr auto kPatience = std::chrono::seconds(30);

struct Tally {
    std::size_t cases = 0;
    std::size_t failures = 0;

    void count(const std::string& name, const std::string& section, Subject subject,
               const std::string& wrong) {
        ++cases;
        if (!wrong.empty()) {
            ++failures;
            std::fputs(report(name, section, subject, "program", wrong).c_str(), stderr);
        }
    }
    [[nodiscard]] int result() const {
        std::printf("%zu cases, %zu failures\n", cases, failures);
        return failures == 0 ? 0 : 1;
    }
};

/// Plays the script after the handshake; `early` is what the subject has said already.
std::string talk(RawLine& line, const Script& script, Judge& judge, Subject subject,
                 std::string early, std::size_t first_segment = 0) {
    std::vector<Said> said;
    std::string_view unsent;
    std::size_t next = first_segment;
    bool finished = false;
    const Clock::time_point deadline = Clock::now() + kPatience;
    while (true) {
        if (!judge.take(std::exchange(early, {}), said)) {
            return judge.complaint();
        }
        if (const std::string wrong = difference(script, said); !wrong.empty()) {
            return wrong;
        }
        const bool closed = !said.empty() && said.back().opcode == kClose;
        if (closed && subject == Subject::client && unsent.empty() &&
            !std::exchange(finished, true)) {
            line.finish();  // it is the server that ends the connection
        }
        if (line.ended()) {
            break;
        }
        if (unsent.empty() && next < script.segments.size() &&
            said.size() >= script.segments[next].answers_before) {
            unsent = script.segments[next].bytes;
            if (script.segments[next++].ends) {
                while (!unsent.empty() && line.step(unsent, early, deadline)) {
                }
                line.finish();
            }
        }
        if (!line.step(unsent, early, deadline)) {
            break;
        }
    }
    if (said.size() < script.answers.size() || judge.unfinished()) {
        return "expected " + std::to_string(script.answers.size()) + " answers, got " +
               std::to_string(said.size()) + (line.ended() ? "" : " in half a minute");
    }
    if (!line.ended()) {
        return "it does not end the connection";
    }
    return subject == Subject::server && line.reset() ? "it resets the connection" : "";
}

// ---- Against the server

std::string play_to_server(const Case& one, std::uint16_t port, bool tls,
                           const std::string& offer) {
    const Script script = script_of(one, Subject::server);
    RawLine line = RawLine::connect(port, tls);
    std::string rest;
    // Every other case does not wait for the answer to its handshake.
    const bool at_once = offer.empty() && script.segments[0].bytes.size() % 2 == 0;
    const std::string head = line.exchange_head(
        upgrade_request(offer) + (at_once ? script.segments[0].bytes : ""), rest);
    if (!head.starts_with("HTTP/1.1 101 ")) {
        return "the opening handshake failed: " + head;
    }
    Judge judge(Subject::server,
                agreed_by(header_of(head, "sec-websocket-extensions"), Subject::server));
    return talk(line, script, judge, Subject::server, std::move(rest), at_once ? 1 : 0);
}

std::string shake_hands(const HandshakeCase& one, std::uint16_t port, bool tls) {
    RawLine line = RawLine::connect(port, tls);
    std::string rest;
    const std::string head = line.exchange_head(filled_in(one.bytes, kSampleKey), rest);
    if (const std::string wrong = difference(one, head); !wrong.empty() || one.status == 101) {
        return wrong;
    }
    line.finish();
    std::string_view nothing;
    const Clock::time_point deadline = Clock::now() + kPatience;
    while (!line.ended() && line.step(nothing, rest, deadline)) {
    }
    return line.ended() ? "" : "it does not end the connection";
}

int run_server(const std::string& mode_name, const std::vector<std::string>& command) {
    const bool tls = mode_name == "tls";
    const Mode mode = mode_name == "deflate"    ? Mode::deflate
                      : mode_name == "takeover" ? Mode::takeover
                                                : Mode::plain;
    Child server(command);
    const std::string ready = server.first_line();
    const std::size_t colon = ready.rfind(':');
    if (!ready.starts_with("listening on ") || colon == std::string::npos) {
        std::fprintf(stderr, "the server is not ready: %s\n", ready.c_str());
        return 1;
    }
    const auto port = static_cast<std::uint16_t>(std::atoi(ready.c_str() + colon + 1));
    // A TLS handshake takes long, and the cases of text are many: some of them must do.
    constexpr std::size_t kEvery = 20;
    std::size_t number = 0;
    Tally tally;
    for (const Case& one : all_cases()) {
        const bool plain = one.mode == Mode::plain;
        // With deflate, what is not compressed is as it was; RSV1 has then a meaning.
        const bool due = is_for(one, Subject::server) &&
                         (plain ? mode == Mode::plain ||
                                      (mode == Mode::deflate && !one.name.starts_with("reserved."))
                                : one.mode == mode);
        const bool left_out = tls && one.name.starts_with("text.") && ++number % kEvery != 0;
        if (due && !left_out) {
            const std::string offer = mode == Mode::plain ? ""
                                      : plain             ? "permessage-deflate"
                                                          : one.offer;
            tally.count(one.name, one.section, Subject::server,
                        play_to_server(one, port, tls, offer));
        }
    }
    for (const auto& family : {request_cases(), negotiation_cases()}) {
        for (const HandshakeCase& one : family) {
            if (one.mode == mode) {
                tally.count(one.name, one.section, Subject::server, shake_hands(one, port, tls));
            }
        }
    }
    tally.count("program.ends_on_sigterm", "-", Subject::server,
                server.stop() == 0 ? "" : "it ended with another code than 0");
    return tally.result();
}

// ---- Against the client

/// The server that websocket_case_client talks to.
class CaseServer {
public:
    explicit CaseServer(Mode mode) {
        for (Case& one : all_cases()) {
            if (is_for(one, Subject::client) &&
                (mode == Mode::takeover ? one.mode == mode : one.mode != Mode::takeover)) {
                cases_.push_back(std::move(one));
            }
        }
        if (mode != Mode::takeover) {
            handshakes_ = response_cases();
        }
    }

    [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

    /// Until the client asks for the reports.
    void run(Tally& tally) {
        while (!reported_) {
            const int descriptor = listener_.accept(kPatience);
            if (descriptor < 0) {
                tally.count("program.asks_for_the_next_case", "-", Subject::client,
                            "it did not come");
                return;
            }
            RawLine line(descriptor);
            std::string rest;
            serve(line, line.exchange_head("", rest), tally);
        }
        const std::size_t count = cases_.size() + handshakes_.size();
        tally.count("program.runs_all_cases", "-", Subject::client,
                    asked_.size() == count ? "" : "it ran " + std::to_string(asked_.size()));
    }

private:
    void serve(RawLine& line, const std::string& request, Tally& tally) {
        const std::string key = header_of(request, "sec-websocket-key");
        const std::string target = request.substr(4, request.find(' ', 4) - 4);
        const std::string run_case = "/runCase?case=";
        if (target == "/getCaseCount") {
            const std::size_t count = cases_.size() + handshakes_.size();
            const Case one{"program.asks_for_the_count", "-", {}, closes(1000)};
            tally.count(one.name, one.section, Subject::client,
                        play(line, key, one, text(std::to_string(count))));
        } else if (target == "/updateReports?agent=holdfast") {
            reported_ = true;
            const Case one{"program.asks_for_the_reports", "-", {}, closes(1000)};
            tally.count(one.name, one.section, Subject::client, play(line, key, one, std::nullopt));
        } else if (target.starts_with(run_case) && target.ends_with("&agent=holdfast")) {
            run(line, key, static_cast<std::size_t>(std::atoi(target.c_str() + run_case.size())),
                tally);
        } else {
            tally.count("program.targets", "-", Subject::client, "it asks for " + target);
        }
    }

    void run(RawLine& line, const std::string& key, std::size_t number, Tally& tally) {
        asked_.insert(number);
        if (number - 1 < cases_.size()) {
            const Case& one = cases_[number - 1];
            tally.count(one.name, one.section, Subject::client, play(line, key, one, std::nullopt));
        } else if (number - 1 < cases_.size() + handshakes_.size()) {
            const HandshakeCase& one = handshakes_[number - 1 - cases_.size()];
            tally.count(one.name, one.section, Subject::client, shake_hands(line, key, one));
        }
    }

    /// `told` is sent first, and not answered; a case that then closes needs a close frame.
    static std::string play(RawLine& line, const std::string& key, const Case& one,
                            const std::optional<Frame>& told) {
        Script script = script_of(one, Subject::client);
        if (told) {
            script.segments[0].bytes += encode(*told, Subject::client);
        }
        if (one.section == "-") {
            script.segments[0].bytes += encode(closing(1000), Subject::client);
        }
        const std::string answer = one.mode == Mode::plain ? "" : one.answer;
        script.segments[0].bytes.insert(0, upgrade_answer(key, answer));
        Judge judge(Subject::client, agreed_by(answer, Subject::client));
        return talk(line, script, judge, Subject::client, {});
    }

    static std::string shake_hands(RawLine& line, const std::string& key,
                                   const HandshakeCase& one) {
        const bool good = one.status == 101;
        const std::string bytes =
            filled_in(one.bytes, key) +
            (good ? encode(text("Hello"), Subject::client) + encode(closing(1000), Subject::client)
                  : "");
        std::string_view unsent = bytes;
        std::string said;
        const Clock::time_point deadline = Clock::now() + kPatience;
        while (!line.ended() && line.step(unsent, said, deadline)) {
            if (good && unsent.empty() && said.size() >= 11 + 8) {
                line.finish();
            }
        }
        if (!line.ended()) {
            return "it does not end the connection";
        }
        return said.empty() == good ? "it says [" + hex(said) + "]" : "";
    }

    RawListener listener_;
    std::vector<Case> cases_;
    std::vector<HandshakeCase> handshakes_;
    std::set<std::size_t> asked_;
    bool reported_ = false;
};

int run_client(Mode mode, std::vector<std::string> command) {
    CaseServer server(mode);
    command.push_back("ws://127.0.0.1:" + std::to_string(server.port()));
    Child client(command);
    Tally tally;
    server.run(tally);
    tally.count("program.ends_with_0", "-", Subject::client,
                client.wait() == 0 ? "" : "it ended with another code than 0");
    return tally.result();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr,
                     "usage: %s plain|deflate|takeover|tls|client|client-takeover PROGRAM…\n",
                     argv[0]);
        return 2;
    }
    const std::string mode = argv[1];
    std::vector<std::string> command(argv + 2, argv + argc);
    if (mode.starts_with("client")) {
        return run_client(mode == "client" ? Mode::deflate : Mode::takeover, std::move(command));
    }
    return run_server(mode, command);
}
