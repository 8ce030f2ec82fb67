#include "platform/simulated/http_scan.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace holdfast::simulated {

namespace {

constexpr std::size_t kHeadBytes = 64u << 10;

bool equal(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) {
        return std::tolower(static_cast<unsigned char>(x)) ==
               std::tolower(static_cast<unsigned char>(y));
    });
}

}  // namespace

int HttpScan::status() const {
    return head_.starts_with("HTTP/") && head_.size() > 12 ? std::atoi(head_.c_str() + 9) : 0;
}

std::string HttpScan::header(std::string_view name) const {
    std::string_view rest = head_;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find("\r\n"), rest.size());
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 2, rest.size()));
        const std::size_t colon = line.find(':');
        if (colon != std::string_view::npos && equal(line.substr(0, colon), name)) {
            std::string_view value = line.substr(colon + 1);
            value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
            return std::string(value);
        }
    }
    return "";
}

HttpScan::Found HttpScan::begin_body() {
    const int code = status();
    if (code == 101) {
        state_ = State::raw;
    } else if (equal(header("Transfer-Encoding"), "chunked")) {
        state_ = State::chunk_size;
        last_chunk_ = false;
    } else if (const std::string length = header("Content-Length"); !length.empty()) {
        left_ = std::strtoull(length.c_str(), nullptr, 10);
        state_ = State::length;
    } else {
        const bool bare = code == 0 || code == 204 || code == 304;
        left_ = 0;
        state_ = bare ? State::length : State::to_end;
    }
    return Found::head;
}

HttpScan::Found HttpScan::next(ByteView& bytes, ByteView& taken) {
    const auto take = [&](std::size_t count) {
        taken = bytes.first(count);
        bytes = bytes.subspan(count);
    };
    taken = {};
    switch (state_) {
        case State::head: {
            if (whole_) {
                head_.clear();
                whole_ = false;
            }
            std::size_t count = 0;
            while (count < bytes.size() && !head_.ends_with("\r\n\r\n")) {
                head_ += static_cast<char>(bytes[count++]);
            }
            take(count);
            if (head_.ends_with("\r\n\r\n")) {
                whole_ = true;
                return begin_body();
            }
            if (head_.size() > kHeadBytes) {
                state_ = State::raw;
            }
            return Found::more;
        }
        case State::length:
        case State::chunk: {
            const auto count =
                static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
            take(count);
            left_ -= count;
            if (left_ > 0) {
                return count > 0 ? Found::piece : Found::more;
            }
            const bool end = state_ == State::length || last_chunk_;
            state_ = end ? State::head : State::chunk_size;
            size_line_.clear();
            return end ? Found::end : Found::piece;
        }
        case State::chunk_size: {
            std::size_t count = 0;
            while (count < bytes.size() && !size_line_.ends_with("\r\n")) {
                size_line_ += static_cast<char>(bytes[count++]);
            }
            take(count);
            if (size_line_.ends_with("\r\n")) {
                const std::uint64_t size = std::strtoull(size_line_.c_str(), nullptr, 16);
                last_chunk_ = size == 0;
                left_ = size + 2;  // with the line's end behind it
                state_ = State::chunk;
            }
            return count > 0 ? Found::piece : Found::more;
        }
        case State::to_end:
        case State::raw: {
            const bool none = bytes.empty();
            const Found found = state_ == State::raw ? Found::raw : Found::piece;
            take(bytes.size());
            return none ? Found::more : found;
        }
    }
    return Found::more;
}

}  // namespace holdfast::simulated
