#include <cstdio>
#include <string>

#include "tests/conformance/engine_subject.h"
#include "tests/conformance/script.h"

/// Plays every case to the sans-IO engine: whole, byte by byte, and cut in two at each place (of
/// long ones at many places).
namespace {

using namespace holdfast::conformance;

/// Where the bytes of a segment are cut.
struct Cut {
    std::size_t every = 0;  ///< 0: not at all
    std::size_t at = 0;     ///< once, counted over all segments; 0: not at all
    bool with_handshake = false;

    [[nodiscard]] std::string name() const {
        return every != 0       ? "in pieces of " + std::to_string(every)
               : at != 0        ? "cut at " + std::to_string(at)
               : with_handshake ? "together with the handshake"
                                : "whole";
    }
};

class Play {
public:
    Play(const Case& one, Subject subject, Mode mode, const Script& script)
        : one_(one), subject_(subject), mode_(mode), script_(script) {}

    /// "" if all is right.
    std::string run(const Cut& cut) {
        const std::string handshake = begin();
        std::string early;
        if (cut.with_handshake) {
            early = engine_->feed(handshake + script_.segments.front().bytes);
        } else {
            early = engine_->feed(handshake);
        }
        if (!engine_->open()) {
            return "the opening handshake failed: " + early;
        }
        if (subject_ == Subject::server) {
            const std::size_t end = early.find("\r\n\r\n") + 4;
            judge_.emplace(subject_, agreed_by(early.substr(0, end), subject_));
            early.erase(0, end);
        } else {
            judge_.emplace(subject_,
                           agreed_by(one_.mode == Mode::plain ? "" : one_.answer, subject_));
        }
        said_.clear();
        if (!judge_->take(early, said_)) {
            return judge_->complaint();
        }
        return talk(cut);
    }

private:
    std::string begin() {
        if (subject_ == Subject::server) {
            engine_ = std::make_unique<EngineServer>(mode_);
            return upgrade_request(one_.mode == Mode::plain && mode_ != Mode::plain
                                       ? "permessage-deflate"
                                       : one_.offer);
        }
        auto client = std::make_unique<EngineClient>(mode_);
        const std::string key = header_of(client->request(), "sec-websocket-key");
        engine_ = std::move(client);
        return upgrade_answer(key, one_.mode == Mode::plain ? "" : one_.answer);
    }

    std::string talk(const Cut& cut) {
        std::size_t passed = 0;
        bool first = true;
        for (const Script::Segment& segment : script_.segments) {
            if (said_.size() < segment.answers_before) {
                return "nothing more came; expected " + std::to_string(segment.answers_before) +
                       " answers, got " + std::to_string(said_.size());
            }
            std::string_view bytes = segment.bytes;
            if (cut.with_handshake && std::exchange(first, false)) {
                bytes = {};
            }
            while (!bytes.empty()) {
                std::size_t size = bytes.size();
                if (cut.every != 0) {
                    size = std::min(size, cut.every);
                } else if (cut.at > passed && cut.at < passed + bytes.size()) {
                    size = cut.at - passed;
                }
                if (!judge_->take(engine_->feed(bytes.substr(0, size)), said_)) {
                    return judge_->complaint();
                }
                bytes.remove_prefix(size);
                passed += size;
            }
            if (const std::string wrong = difference(script_, said_); !wrong.empty()) {
                return wrong;
            }
        }
        if (said_.size() < script_.answers.size() || judge_->unfinished()) {
            return "expected " + std::to_string(script_.answers.size()) + " answers, got " +
                   std::to_string(said_.size());
        }
        return engine_->over() ? "" : "the engine has not ended";
    }

    const Case& one_;
    Subject subject_;
    Mode mode_;
    const Script& script_;
    std::unique_ptr<EngineSubject> engine_;
    std::optional<Judge> judge_;
    std::vector<Said> said_;
};

struct Tally {
    std::size_t cases = 0;
    std::size_t runs = 0;
    std::size_t failures = 0;

    /// False: this case need not be played further.
    bool count(const std::string& name, const std::string& section, Subject subject,
               const std::string& how, const std::string& wrong) {
        ++runs;
        if (wrong.empty()) {
            return true;
        }
        ++failures;
        std::fputs(report(name, section, subject, how, wrong).c_str(), stderr);
        return false;
    }
};

/// With deflate agreed upon a message that is not compressed is treated as without.
bool is_the_same_with_deflate(const Case& one) {
    return one.mode == Mode::plain && !one.name.starts_with("reserved.");
}

void play(const Case& one, Subject subject, Tally& tally) {
    const Script script = script_of(one, subject);
    const auto run = [&](Mode mode, const Cut& cut) {
        return tally.count(one.name, one.section, subject, cut.name(),
                           Play(one, subject, mode, script).run(cut));
    };
    ++tally.cases;
    if (!run(one.mode, {}) || one.programs_only) {
        return;
    }
    if (is_the_same_with_deflate(one) && !run(Mode::deflate, {})) {
        return;
    }
    std::size_t size = 0;
    for (const Script::Segment& segment : script.segments) {
        size += segment.bytes.size();
    }
    constexpr std::size_t kShort = 400;
    constexpr std::size_t kPlaces = 60;
    if (!run(one.mode, {.with_handshake = true}) || !run(one.mode, {.every = 7}) ||
        (size <= 200'000 && !run(one.mode, {.every = 1}))) {
        return;
    }
    const std::size_t step = size <= kShort ? 1 : size / kPlaces | 1;
    for (std::size_t at = 1; at < size; at += at < 20 ? 1 : step) {
        if (!run(one.mode, {.at = at})) {
            return;
        }
    }
}

/// "" if the handshake went as the case says.
std::string shake_hands(const HandshakeCase& one, std::size_t cut, bool byte_by_byte) {
    std::unique_ptr<EngineSubject> engine;
    std::string key = kSampleKey;
    if (one.subject == Subject::server) {
        engine = std::make_unique<EngineServer>(one.mode);
    } else {
        auto client = std::make_unique<EngineClient>(Mode::deflate);
        key = header_of(client->request(), "sec-websocket-key");
        engine = std::move(client);
    }
    const std::string bytes = filled_in(one.bytes, key);
    std::string said;
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t size = byte_by_byte ? 1 : at == 0 && cut != 0 ? cut : bytes.size() - at;
        said += engine->feed(std::string_view(bytes).substr(at, size));
        at += size;
    }
    if (one.subject == Subject::server) {
        return difference(one, said);
    }
    if (engine->open() != (one.status == 101)) {
        return engine->open() ? "it was accepted" : "it was refused";
    }
    return said.empty() ? "" : "it says " + hex(said);
}

void play(const HandshakeCase& one, Tally& tally) {
    ++tally.cases;
    const auto run = [&](const std::string& how, std::size_t cut, bool byte_by_byte) {
        return tally.count(one.name, one.section, one.subject, how,
                           shake_hands(one, cut, byte_by_byte));
    };
    if (!run("whole", 0, false) || !run("byte by byte", 0, true)) {
        return;
    }
    const std::size_t step = one.bytes.size() / 400 + 1;
    for (std::size_t at = 1; at < one.bytes.size(); at += step) {
        if (!run("cut at " + std::to_string(at), at, false)) {
            return;
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::string only = argc > 1 ? argv[1] : "";
    Tally tally;
    for (const Case& one : all_cases()) {
        for (const Subject subject : {Subject::server, Subject::client}) {
            if (is_for(one, subject) && one.name.starts_with(only)) {
                play(one, subject, tally);
            }
        }
    }
    for (const auto& family : {request_cases(), negotiation_cases(), response_cases()}) {
        for (const HandshakeCase& one : family) {
            if (one.name.starts_with(only)) {
                play(one, tally);
            }
        }
    }
    std::printf("%zu cases in %zu runs, %zu failures\n", tally.cases, tally.runs, tally.failures);
    return tally.failures == 0 ? 0 : 1;
}
