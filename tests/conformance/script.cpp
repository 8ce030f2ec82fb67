#include "tests/conformance/script.h"

#include <algorithm>

namespace holdfast::conformance {
namespace {

std::string payload_of(const Frame& frame) {
    std::string out;
    out.reserve(frame.payload.size() * frame.repeat);
    for (std::size_t i = 0; i < frame.repeat; ++i) {
        out += frame.payload;
    }
    return out;
}

/// Of a close frame only the code is told beforehand.
bool is_same(const Frame& expected, const Said& said) {
    if (expected.opcode != said.opcode) {
        return false;
    }
    if (expected.opcode == kClose) {
        return said.payload.substr(0, 2) == expected.payload;
    }
    if (said.payload.size() != expected.payload.size() * expected.repeat) {
        return false;
    }
    const std::size_t unit = expected.payload.size();
    for (std::size_t at = 0; at < said.payload.size(); at += unit) {
        if (said.payload.compare(at, unit, expected.payload) != 0) {
            return false;
        }
    }
    return true;
}

std::string name_of(unsigned opcode, const std::string& payload) {
    return "opcode " + std::to_string(opcode) + " [" + hex(payload) + "]";
}

std::string in_lower_case(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return text;
}

std::vector<std::string> lines_of(const std::string& head) {
    std::vector<std::string> lines;
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = head.find("\r\n", begin)) != std::string::npos;
         begin = end + 2) {
        lines.push_back(in_lower_case(head.substr(begin, end - begin)));
    }
    return lines;
}

/// Each `*` is any text.
bool matches(std::string_view text, std::string_view pattern) {
    const std::size_t star = pattern.find('*');
    if (star == std::string_view::npos) {
        return text == pattern;
    }
    if (!text.starts_with(pattern.substr(0, star))) {
        return false;
    }
    for (std::size_t from = star; from <= text.size(); ++from) {
        if (matches(text.substr(from), pattern.substr(star + 1))) {
            return true;
        }
    }
    return false;
}

}  // namespace

std::vector<Case> all_cases() {
    std::vector<Case> cases;
    for (const auto family : {framing_cases, control_cases, close_cases, fragmentation_cases,
                              text_cases, size_cases, deflate_cases}) {
        std::ranges::move(family(), std::back_inserter(cases));
    }
    return cases;
}

bool is_for(const Case& one, Subject subject) {
    return one.subject == For::both || (one.subject == For::server) == (subject == Subject::server);
}

Script script_of(const Case& one, Subject subject) {
    Script script;
    script.segments.emplace_back();
    const auto add = [&script, subject](const Step& step) {
        const std::string bytes = encode(step.frame, subject);
        for (std::size_t i = 0; i < step.times; ++i) {
            script.segments.back().bytes += bytes;
        }
    };
    for (const Step& step : one.steps) {
        switch (step.kind) {
            case Step::Kind::send:
                add(step);
                break;
            case Step::Kind::raw:
                script.segments.back().bytes += step.bytes;
                break;
            case Step::Kind::expect:
                script.answers.push_back({step.frame, step.compressed});
                break;
            case Step::Kind::wait:
                script.segments.push_back({.answers_before = script.answers.size()});
                break;
            case Step::Kind::end:
                script.segments.back().ends = true;
                break;
        }
    }
    if (one.ending.code == 0) {
        script.segments.push_back({.answers_before = script.answers.size()});
        add(send(closing(1000)));
    }
    script.answers.push_back(
        {closing(one.ending.code == 0 ? 1000 : one.ending.code), std::nullopt});
    return script;
}

std::string difference(const Script& script, const std::vector<Said>& said) {
    for (std::size_t i = 0; i < said.size(); ++i) {
        if (i >= script.answers.size()) {
            return "got more than was expected: " + name_of(said[i].opcode, said[i].payload);
        }
        const Script::Answer& answer = script.answers[i];
        if (!is_same(answer.frame, said[i])) {
            return "answer " + std::to_string(i + 1) + "\n  expected " +
                   name_of(answer.frame.opcode, payload_of(answer.frame)) + "\n  got      " +
                   name_of(said[i].opcode, said[i].payload);
        }
        if (answer.compressed && *answer.compressed != said[i].compressed) {
            return "answer " + std::to_string(i + 1) +
                   (said[i].compressed ? " is compressed" : " is not compressed");
        }
    }
    return "";
}

std::string report(const std::string& name, const std::string& section, Subject subject,
                   const std::string& how, const std::string& wrong) {
    return name + " (RFC " + section + "), " + (subject == Subject::server ? "server" : "client") +
           " " + how + ": " + wrong + "\n";
}

std::string filled_in(std::string head, const std::string& key) {
    for (const auto& [name, value] :
         {std::pair{"{key}"s, key}, std::pair{"{accept}"s, plain_accept_key(key)}}) {
        for (std::size_t at = 0; (at = head.find(name, at)) != std::string::npos;) {
            head.replace(at, name.size(), value);
            at += value.size();
        }
    }
    return head;
}

std::string difference(const HandshakeCase& one, const std::string& answer) {
    const std::string expected = "HTTP/1.1 " + std::to_string(one.status) + " ";
    if (!answer.starts_with(expected)) {
        return "expected " + expected + ", got " + answer;
    }
    if (one.status == 101 &&
        answer.find("\r\nSec-WebSocket-Accept: " + plain_accept_key(kSampleKey) + "\r\n") ==
            std::string::npos) {
        return "a wrong Sec-WebSocket-Accept: " + answer;
    }
    const std::vector<std::string> lines = lines_of(answer);
    for (const std::string& pattern : one.contains) {
        if (std::ranges::none_of(lines, [&](const auto& line) { return matches(line, pattern); })) {
            return "expected " + pattern + ", got " + answer;
        }
    }
    for (const std::string& part : one.lacks) {
        if (std::ranges::any_of(
                lines, [&](const auto& line) { return line.find(part) != std::string::npos; })) {
            return "expected no " + part + ", got " + answer;
        }
    }
    return "";
}

std::string header_of(const std::string& head, const std::string& name) {
    const std::string start = name + ":";
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = head.find("\r\n", begin)) != std::string::npos;
         begin = end + 2) {
        const std::string line = head.substr(begin, end - begin);
        if (in_lower_case(line).starts_with(start)) {
            const std::size_t value = line.find_first_not_of(' ', start.size());
            return value == std::string::npos ? "" : line.substr(value);
        }
    }
    return "";
}

std::string upgrade_request(const std::string& extension) {
    return "GET /case HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: "s +
           kSampleKey + "\r\nSec-WebSocket-Version: 13\r\n" +
           (extension.empty() ? "" : "Sec-WebSocket-Extensions: " + extension + "\r\n") + "\r\n";
}

std::string upgrade_answer(const std::string& key, const std::string& extension) {
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: " +
           plain_accept_key(key) + "\r\n" +
           (extension.empty() ? "" : "Sec-WebSocket-Extensions: " + extension + "\r\n") + "\r\n";
}

}  // namespace holdfast::conformance
