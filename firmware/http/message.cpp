#include "firmware/http/message.h"

#include <algorithm>

#include "firmware/http/syntax.h"

namespace holdfast::http {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

std::string_view find(const Headers& headers, std::string_view name) {
    const auto found = std::ranges::find_if(
        headers, [name](const auto& header) { return equal_without_case(header.first, name); });
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::size_t occurrences(const Headers& headers, std::string_view name) {
    return static_cast<std::size_t>(std::ranges::count_if(
        headers, [name](const auto& header) { return equal_without_case(header.first, name); }));
}

bool holds_token(const Headers& headers, std::string_view name, std::string_view token) {
    bool found = false;
    for (const auto& [key, value] : headers) {
        if (equal_without_case(key, name)) {
            for_each_element(value, [&found, token](std::string_view element) {
                found = found || equal_without_case(element, token);
            });
        }
    }
    return found;
}

/// Removes the entity tag at the front of `list`; returns its opaque part, with its quotes. "" if
/// the list has no further tag.
std::string_view take_entity_tag(std::string_view& list) {
    while (!list.empty() && (is_blank(list.front()) || list.front() == ',')) {
        list.remove_prefix(1);
    }
    if (list.starts_with("W/")) {
        list.remove_prefix(2);
    }
    const std::size_t end = list.starts_with('"') ? list.find('"', 1) : std::string_view::npos;
    if (end == std::string_view::npos) {
        return {};
    }
    const std::string_view tag = list.substr(0, end + 1);
    list.remove_prefix(tag.size());
    return tag;
}

/// RFC 9110, Section 6.4.1: these never have content.
bool is_bodiless(int status) {
    return status / 100 == 1 || status == 204 || status == 304;
}

}  // namespace

std::string_view Request::header(std::string_view name) const {
    return find(headers, name);
}
std::size_t Request::count(std::string_view name) const {
    return occurrences(headers, name);
}
bool Request::has_token(std::string_view name, std::string_view token) const {
    return holds_token(headers, name, token);
}
bool Request::has_entity(std::string_view etag) const {
    return std::ranges::any_of(headers, [etag](const auto& header) {
        if (!equal_without_case(header.first, "If-None-Match")) {
            return false;
        }
        std::string_view list = trim(header.second);
        if (list == "*") {
            return true;
        }
        std::string_view tag = take_entity_tag(list);
        while (!tag.empty() && tag != etag) {
            tag = take_entity_tag(list);
        }
        return !tag.empty();
    });
}

std::string_view Response::header(std::string_view name) const {
    return find(headers, name);
}
std::size_t Response::count(std::string_view name) const {
    return occurrences(headers, name);
}
bool Response::has_token(std::string_view name, std::string_view token) const {
    return holds_token(headers, name, token);
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
    const auto append_clean = [&out](std::string_view text) {
        std::ranges::transform(text, std::back_inserter(out),
                               [](char c) { return is_control(c) ? ' ' : c; });
    };
    append_clean(name);
    out += ": ";
    append_clean(value);
    out += "\r\n";
}

std::string to_wire(const Response& response, bool head_only) {
    const std::string status = std::to_string(response.status);
    const std::string_view reason = reason_phrase(response.status);
    const bool bodiless = is_bodiless(response.status);
    std::string out;
    out.reserve(256 + (head_only || bodiless ? 0 : response.body.size()));
    out.append("HTTP/1.1 ").append(status).append(" ").append(reason).append("\r\n");
    for (const auto& [name, value] : response.headers) {
        // With two different lengths in one head, two readers would split the stream differently.
        if (!equal_without_case(name, "Content-Length")) {
            append_header(out, name, value);
        }
    }
    if (!bodiless) {
        append_header(out, "Content-Length", std::to_string(response.body.size()));
    }
    if (response.count("Connection") == 0) {
        append_header(out, "Connection", response.keep_alive ? "keep-alive" : "close");
    }
    out += "\r\n";
    if (!head_only && !bodiless) {
        out += response.body;
    }
    return out;
}

std::string_view reason_phrase(int status) {
    struct Phrase {
        int status;
        std::string_view text;
    };
    static constexpr Phrase kPhrases[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
        {511, "Network Authentication Required"},
    };
    const auto* const found = std::ranges::find(kPhrases, status, &Phrase::status);
    return found == std::end(kPhrases) ? "Status" : found->text;
}

}  // namespace holdfast::http
