#include "firmware/sockjs/pages.h"

#include <array>
#include <chrono>
#include <cstdio>

#include "firmware/base/text.h"
#include "firmware/http/syntax.h"

namespace holdfast::sockjs {
namespace {

constexpr std::string_view kPlainText = "text/plain; charset=UTF-8";
constexpr std::chrono::seconds kYear(31'536'000);

void add_cache(http::Response& response, WallTime now) {
    response.headers.emplace_back("Cache-Control",
                                  "public, max-age=" + std::to_string(kYear.count()));
    response.headers.emplace_back("Expires", http_date(now + kYear));
}

std::string iframe_page(std::string_view script) {
    std::string out =
        "<!DOCTYPE html>\n"
        "<html>\n"
        "<head>\n"
        "  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n"
        "  <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n"
        "  <script>\n"
        "    document.domain = document.domain;\n"
        "    _sockjs_onload = function(){SockJS.bootstrap_iframe();};\n"
        "  </script>\n"
        "  <script src=\"";
    out += script;
    out +=
        "\"></script>\n"
        "</head>\n"
        "<body>\n"
        "  <h2>Don't panic!</h2>\n"
        "  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>\n"
        "</body>\n"
        "</html>";
    return out;
}

/// FNV-1a: it tells versions of one page apart, and need not withstand anyone.
std::string etag(std::string_view page) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : page) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    }
    std::array<std::byte, sizeof hash> bytes;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::byte>(hash >> (8 * i) & 0xffu);
    }
    return "\"" + to_hex(bytes) + "\"";
}

/// The value of the first cookie of that name; "": there is none.
std::string_view cookie(const http::Request& request, std::string_view name) {
    std::string_view cookies = request.header("Cookie");
    while (!cookies.empty()) {
        const std::size_t end = std::min(cookies.find(';'), cookies.size());
        const std::string_view pair = http::trim(cookies.substr(0, end));
        cookies.remove_prefix(std::min(end + 1, cookies.size()));
        const std::size_t equals = pair.find('=');
        if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
            return pair.substr(equals + 1);
        }
    }
    return {};
}

}  // namespace

std::string http_date(WallTime time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
    constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
                  kDays[std::chrono::weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
                  kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                  static_cast<int>(clock.hours().count()),
                  static_cast<int>(clock.minutes().count()),
                  static_cast<int>(clock.seconds().count()));
    return text.data();
}

http::Response text_response(int status, std::string_view text) {
    http::Response response;
    response.status = status;
    response.headers.emplace_back("Content-Type", kPlainText);
    response.body = text;
    return response;
}

http::Response method_not_allowed(std::string_view allowed) {
    http::Response response;
    response.status = 405;
    response.headers.emplace_back("Allow", allowed);
    return response;
}

http::Response greeting() {
    return text_response(200, "Welcome to SockJS!\n");
}

http::Response iframe(const http::Request& request, std::string_view script, WallTime now) {
    std::string page = iframe_page(script);
    const std::string tag = etag(page);
    http::Response response;
    response.headers.emplace_back("ETag", tag);
    add_cache(response, now);
    if (request.has_entity(tag)) {
        response.status = 304;
        return response;
    }
    response.headers.emplace_back("Content-Type", "text/html; charset=UTF-8");
    response.body = std::move(page);
    return response;
}

http::Response info(const Info& info) {
    const auto boolean = [](bool value) { return value ? "true" : "false"; };
    http::Response response;
    response.headers.emplace_back("Content-Type", "application/json; charset=UTF-8");
    add_no_cache(response);
    response.body = std::string("{\"websocket\":") + boolean(info.websocket) +
                    ",\"origins\":[\"*:*\"],\"cookie_needed\":" + boolean(info.cookie_needed) +
                    ",\"entropy\":" + std::to_string(info.entropy) + "}";
    return response;
}

http::Response preflight(std::string_view methods, WallTime now) {
    http::Response response;
    response.status = 204;
    response.headers.emplace_back("Access-Control-Allow-Methods", methods);
    response.headers.emplace_back("Access-Control-Max-Age", std::to_string(kYear.count()));
    add_cache(response, now);
    return response;
}

void add_cors(http::Response& response, const http::Request& request) {
    // A page from a file has the origin "null", and browsers refuse to see it echoed.
    const std::string_view origin = http::trim(request.header("Origin"));
    const bool named = !origin.empty() && origin != "null";
    response.headers.emplace_back("Access-Control-Allow-Origin", named ? origin : "*");
    response.headers.emplace_back("Access-Control-Allow-Credentials", "true");
    response.headers.emplace_back("Vary", "Origin");
    if (const std::string_view asked = http::trim(request.header("Access-Control-Request-Headers"));
        !asked.empty()) {
        response.headers.emplace_back("Access-Control-Allow-Headers", asked);
    }
}

void add_no_cache(http::Response& response) {
    response.headers.emplace_back("Cache-Control",
                                  "no-store, no-cache, must-revalidate, max-age=0");
}

void add_cookie(http::Response& response, const http::Request& request) {
    constexpr std::string_view kName = "JSESSIONID";
    const std::string_view known = cookie(request, kName);
    response.headers.emplace_back(
        "Set-Cookie",
        std::string(kName) + "=" + std::string(known.empty() ? "dummy" : known) + "; path=/");
}

}  // namespace holdfast::sockjs
