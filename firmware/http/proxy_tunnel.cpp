#include <algorithm>
#include <utility>

#include "firmware/base/text.h"
#include "firmware/http/message.h"
#include "firmware/http/proxy.h"
#include "firmware/http/syntax.h"

namespace holdfast::http {
namespace {

constexpr std::size_t kQuotedLimit = 80;
constexpr std::string_view kBegin = "HTTP/1.";

/// The peer's text made safe for one line of a log.
std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (!is_control(c)) {
            out += static_cast<unsigned char>(c) < 0x80 ? c : '?';
        }
    }
    return out;
}

std::string authority_of(const std::string& host, std::uint16_t port) {
    return Proxy{.host = printable(host), .port = port, .user = {}, .password = {}}.authority();
}

/// The credentials after "Basic" (RFC 7617, Section 2).
std::string credentials(const Proxy& proxy) {
    const std::string pair = proxy.user + ":" + proxy.password;
    return to_base64(as_bytes(pair));
}

/// A head as its lines. Not read by Beast's parser: for that, the Content-Length of an answer to
/// CONNECT would be an error or the length of a body, but it must be ignored.
class Head {
public:
    explicit Head(std::string_view text) : lines_(text) {
        const std::string_view first = take_line(lines_);
        const std::size_t status = kBegin.size() + 2;
        if (first.size() >= status + 3 && first[kBegin.size()] >= '0' &&
            first[kBegin.size()] <= '9' && first[status - 1] == ' ' &&
            (first.size() == status + 3 || first[status + 3] == ' ')) {
            status_ = number(first.substr(status, 3));
            reason_ = trim(first.substr(status + 3));
        }
    }

    /// 100 to 599; 0: the status line is malformed.
    [[nodiscard]] int status() const { return status_ >= 100 && status_ <= 599 ? status_ : 0; }
    [[nodiscard]] std::string_view reason() const { return reason_; }

    /// Calls `visit` with each value of that name.
    template <class Visit>
    void for_each(std::string_view name, Visit visit) const {
        for (std::string_view rest = lines_; !rest.empty();) {
            const std::string_view line = take_line(rest);
            const std::size_t colon = line.find(':');
            if (colon != std::string_view::npos &&
                equal_without_case(trim(line.substr(0, colon)), name)) {
                visit(trim(line.substr(colon + 1)));
            }
        }
    }
    /// The first of that name, "" if there is none.
    [[nodiscard]] std::string_view header(std::string_view name) const {
        std::string_view found;
        for_each(name, [&found](std::string_view value) { found = found.empty() ? value : found; });
        return found;
    }

private:
    static std::string_view take_line(std::string_view& text) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        return line;
    }
    static int number(std::string_view digits) {
        int value = 0;
        for (const char c : digits) {
            if (c < '0' || c > '9') {
                return 0;
            }
            value = value * 10 + (c - '0');
        }
        return value;
    }

    std::string_view lines_;  ///< after the first
    int status_ = 0;
    std::string_view reason_;
};

/// Whether the proxy asks for credentials, but does not offer the scheme Basic.
bool asks_for_another_scheme(const Head& head) {
    bool any = false;
    bool basic = false;
    head.for_each("Proxy-Authenticate", [&](std::string_view value) {
        any = true;
        for_each_element(value, [&basic](std::string_view element) {
            basic = basic || equal_without_case(element.substr(0, element.find(' ')), "Basic");
        });
    });
    return any && !basic;
}

/// Whether a 2xx is a web page and not a tunnel: its head says that it is HTML, and does not say
/// that it is empty. A captive portal answers every request with its page. Otherwise a 2xx has no
/// content, whatever its head says, and its lengths are ignored (RFC 9110, Section 9.3.6).
bool is_web_page(const Head& head) {
    const std::string_view type = head.header("Content-Type");
    return equal_without_case(trim(type.substr(0, type.find(';'))), "text/html") &&
           head.header("Content-Length") != "0";
}

/// Says in one sentence what the proxy's head means.
class Answer {
public:
    Answer(const Proxy& proxy, std::string far, const Head& head)
        : proxy_(proxy), far_(std::move(far)), head_(head) {}

    [[nodiscard]] Error error() const {
        const int status = head_.status();
        if (status / 100 == 2) {
            return made(ErrorCode::unsupported,
                        "answers with a web page in place of a tunnel (" + said() + ")" + kPortal);
        }
        if (status / 100 == 3 || status == 511) {
            return made(ErrorCode::unsupported,
                        "sends us elsewhere" + elsewhere() + " (" + said() + ")" + kPortal);
        }
        if (status == 407) {
            return made(ErrorCode::unauthorized, unauthorized());
        }
        if (status == 403) {
            return made(ErrorCode::refused, "forbids the way to " + far_ + " (" + said() +
                                                "); its rules must allow CONNECT to this host and "
                                                "port");
        }
        if (status == 405 || status == 501) {
            return made(status == 405 ? ErrorCode::refused : ErrorCode::unsupported,
                        "does not let CONNECT through (" + said() +
                            "); it is no forward proxy, or allows no tunnels");
        }
        if (status / 100 == 4) {
            return made(ErrorCode::refused, "refuses the way to " + far_ + " (" + said() + ")");
        }
        if (status / 100 == 5 && status != 505) {
            return made(ErrorCode::not_found, "does not reach " + far_ + " (" + said() +
                                                  "); it looks up the hub's name itself, and must "
                                                  "be allowed to connect to it");
        }
        return made(ErrorCode::unsupported,
                    "answers CONNECT with what is no answer to it (" + said() + ")");
    }

private:
    static constexpr const char* kPortal =
        "; it may be the captive portal of a network where somebody has to log in first";

    [[nodiscard]] Error made(ErrorCode code, const std::string& what) const {
        return {code, "the proxy " + printable(proxy_.authority()) + " " + what};
    }

    /// `text` for a message; "" if it repeats the password.
    [[nodiscard]] std::string quoted(std::string_view text) const {
        const std::string out = printable(text);
        const bool reflects =
            !proxy_.user.empty() && (out.find(credentials(proxy_)) != std::string::npos ||
                                     (!proxy_.password.empty() &&
                                      out.find(printable(proxy_.password)) != std::string::npos));
        return reflects ? "" : out.substr(0, kQuotedLimit);
    }

    /// "503 Service Unavailable, ERR_DNS_FAIL 0".
    [[nodiscard]] std::string said() const {
        std::string reason = quoted(head_.reason());
        if (reason.empty()) {
            reason = reason_phrase(head_.status());
        }
        std::string out = std::to_string(head_.status()) + " " + reason;
        // Squid's own header, and the standard one (RFC 9209).
        for (const std::string_view name : {"X-Squid-Error", "Proxy-Status"}) {
            if (const std::string detail = quoted(head_.header(name)); !detail.empty()) {
                return out + ", " + detail;
            }
        }
        return out;
    }

    [[nodiscard]] std::string elsewhere() const {
        const std::string site = quoted(site_of(head_.header("Location")));
        return site.empty() ? "" : ", to " + site;
    }

    [[nodiscard]] std::string unauthorized() const {
        if (asks_for_another_scheme(head_)) {
            const std::string_view asked = head_.header("Proxy-Authenticate");
            return "asks for a kind of login that this version does not know (" + said() + "; " +
                   quoted(asked.substr(0, asked.find_first_of(" ,"))) + "); it must accept Basic";
        }
        if (proxy_.user.empty()) {
            return "asks for a user and a password (" + said() +
                   "); they are given in its URL, as in \"http://user:password@" +
                   printable(proxy_.authority()) + "\"";
        }
        return "does not accept the user \"" + printable(proxy_.user) + "\" or the password (" +
               said() + "); both stand in its URL, and special characters percent-encoded";
    }

    const Proxy& proxy_;
    std::string far_;
    const Head& head_;
};

}  // namespace

ProxyTunnel::ProxyTunnel(Proxy proxy, std::string host, std::uint16_t port, std::string user_agent)
    : proxy_(std::move(proxy)),
      host_(std::move(host)),
      port_(port),
      user_agent_(std::move(user_agent)) {}

std::string ProxyTunnel::request() const {
    const std::string far = authority_of(host_, port_);
    std::string out = "CONNECT " + far + " HTTP/1.1\r\n";
    append_header(out, "Host", far);
    if (!user_agent_.empty()) {
        append_header(out, "User-Agent", user_agent_);
    }
    if (!proxy_.user.empty()) {
        append_header(out, "Proxy-Authorization", "Basic " + credentials(proxy_));
    }
    return out + "\r\n";
}

Result<bool> ProxyTunnel::next(ByteView& bytes) {
    while (!bytes.empty()) {
        const char c = as_text(bytes).front();
        bytes = bytes.subspan(1);
        if (++head_bytes_ > kHeadLimitBytes) {
            return fail(ErrorCode::too_large, "the proxy " + printable(proxy_.authority()) +
                                                  " answers with a head larger than " +
                                                  std::to_string(kHeadLimitBytes) + " bytes");
        }
        head_ += c;
        if (head_.size() <= kBegin.size() && !kBegin.starts_with(head_)) {
            return std::unexpected(no_http());
        }
        if (c != '\n') {
            continue;
        }
        // A line feed alone ends a line too, as older proxies write it (RFC 9112, Section 2.2).
        const std::string_view line = std::string_view(head_).substr(line_begin_);
        line_begin_ = head_.size();
        if (line != "\n" && line != "\r\n") {
            continue;
        }
        const Result<bool> stands = judge();
        if (!stands || *stands) {
            return stands;
        }
        head_.clear();  // an interim answer: the final one follows
        line_begin_ = 0;
    }
    return false;
}

Result<bool> ProxyTunnel::judge() const {
    const Head head(head_);
    if (head.status() == 0) {
        return fail(ErrorCode::invalid, "the proxy " + printable(proxy_.authority()) +
                                            " answers with a malformed status line");
    }
    // 101 answers an Upgrade, and the request has none.
    if (head.status() / 100 == 1 && head.status() != 101) {
        return false;
    }
    if (head.status() / 100 == 2 && !is_web_page(head)) {
        return true;
    }
    return std::unexpected(Answer(proxy_, authority_of(host_, port_), head).error());
}

Error ProxyTunnel::no_http() const {
    const auto first = static_cast<unsigned char>(head_.front());
    std::string what = "does not answer in HTTP; it is no HTTP proxy";
    if (first == 0x15 || first == 0x16) {  // an alert or a handshake (RFC 8446, Section 5.1)
        what =
            "answers in TLS; a proxy that is spoken to in plain HTTP is what this version can use";
    } else if (first == 0x05 || first == 0x00) {
        what = "answers as a SOCKS proxy does; an HTTP proxy is what this version can use";
    }
    return {ErrorCode::invalid, "the proxy " + printable(proxy_.authority()) + " " + what};
}

}  // namespace holdfast::http
