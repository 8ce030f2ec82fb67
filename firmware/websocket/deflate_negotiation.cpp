#include <algorithm>
#include <array>
#include <charconv>

#include "firmware/base/check.h"
#include "firmware/http/syntax.h"
#include "firmware/websocket/deflate.h"

namespace holdfast::websocket {
namespace {

constexpr std::string_view kName = "permessage-deflate";
constexpr std::string_view kServerNoTakeover = "server_no_context_takeover";
constexpr std::string_view kClientNoTakeover = "client_no_context_takeover";
constexpr std::string_view kServerWindow = "server_max_window_bits";
constexpr std::string_view kClientWindow = "client_max_window_bits";
constexpr int kSmallestWindowBits = 8;
constexpr int kLargestWindowBits = 15;

void check(const DeflatePolicy& policy) {
    HOLDFAST_CHECK(policy.max_window_bits >= kSmallestWindowBits &&
                   policy.max_window_bits <= kLargestWindowBits);
}

struct Parameter {
    std::string_view name;
    std::optional<std::string> value;
};

struct Extension {
    std::string_view name;
    std::vector<Parameter> parameters;
};

/// The header's grammar, RFC 6455, Section 9.1: a list of tokens with parameters, whose values are
/// tokens, bare or quoted.
class ExtensionParser {
public:
    explicit ExtensionParser(std::string_view text) : rest_(text) {}

    /// nullopt: the text is no such list.
    std::optional<std::vector<Extension>> parse() {
        std::vector<Extension> extensions;
        while (true) {
            // Empty elements are allowed in a list (RFC 9110, Section 5.6.1).
            while (take(',')) {
            }
            if (rest_.empty()) {
                return extensions;
            }
            if (!parse_extension(extensions.emplace_back()) || (!rest_.empty() && !take(','))) {
                return std::nullopt;
            }
        }
    }

private:
    bool parse_extension(Extension& extension) {
        extension.name = take_token();
        if (extension.name.empty()) {
            return false;
        }
        while (take(';')) {
            Parameter& parameter = extension.parameters.emplace_back();
            parameter.name = take_token();
            if (parameter.name.empty() || (take('=') && !take_value(parameter.value.emplace()))) {
                return false;
            }
        }
        return true;
    }

    void skip_blanks() {
        rest_ = rest_.substr(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
    }

    bool take(char c) {
        skip_blanks();
        if (rest_.empty() || rest_.front() != c) {
            return false;
        }
        rest_.remove_prefix(1);
        skip_blanks();
        return true;
    }

    std::string_view take_token() {
        std::size_t size = 0;
        while (size < rest_.size() && http::is_token(rest_.substr(size, 1))) {
            ++size;
        }
        const std::string_view token = rest_.substr(0, size);
        rest_.remove_prefix(size);
        skip_blanks();
        return token;
    }

    /// What a quoted string says must be a token, too.
    bool take_value(std::string& value) {
        if (rest_.empty() || rest_.front() != '"') {
            value = take_token();
            return !value.empty();
        }
        for (std::size_t i = 1; i < rest_.size(); ++i) {
            if (rest_[i] == '"') {
                rest_.remove_prefix(i + 1);
                skip_blanks();
                return http::is_token(value);
            }
            if (rest_[i] == '\\' && ++i == rest_.size()) {
                return false;
            }
            value.push_back(rest_[i]);
        }
        return false;
    }

    std::string_view rest_;
};

/// The four parameters of Section 7.1, as one offer or answer has them.
struct Parameters {
    bool server_no_takeover = false;
    bool client_no_takeover = false;
    std::optional<int> server_window_bits;
    std::optional<int> client_window_bits;
    bool client_window_named = false;  ///< with a value or without
};

/// A decimal number from 8 to 15 without leading zeros (Section 7.1.2).
std::optional<int> window_bits(const std::optional<std::string>& value) {
    if (!value || value->empty() || value->front() == '0') {
        return std::nullopt;
    }
    int bits = 0;
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), bits);
    if (error != std::errc() || end != value->data() + value->size() ||
        bits < kSmallestWindowBits || bits > kLargestWindowBits) {
        return std::nullopt;
    }
    return bits;
}

bool take_flag(bool& flag, const Parameter& parameter) {
    const bool good = !flag && !parameter.value;
    flag = true;
    return good;
}

/// nullopt: a parameter is unknown, doubled, or has a value that it must not have.
std::optional<Parameters> read(const Extension& extension, bool is_offer) {
    Parameters read;
    for (const Parameter& parameter : extension.parameters) {
        bool good = false;
        if (parameter.name == kServerNoTakeover) {
            good = take_flag(read.server_no_takeover, parameter);
        } else if (parameter.name == kClientNoTakeover) {
            good = take_flag(read.client_no_takeover, parameter);
        } else if (parameter.name == kServerWindow) {
            good = !read.server_window_bits;
            read.server_window_bits = window_bits(parameter.value);
            good = good && read.server_window_bits;
        } else if (parameter.name == kClientWindow) {
            good = !read.client_window_named;
            read.client_window_named = true;
            read.client_window_bits = window_bits(parameter.value);
            // Only an offer may leave the value open (Section 7.1.2.2).
            good = good && (read.client_window_bits || (is_offer && !parameter.value));
        }
        if (!good) {
            return std::nullopt;
        }
    }
    return read;
}

std::string with_value(std::string_view name, int value) {
    return "; " + std::string(name) + "=" + std::to_string(value);
}

DeflateAnswer accept(const Parameters& offer, const DeflatePolicy& policy) {
    const bool server_takeover = policy.context_takeover && !offer.server_no_takeover;
    const bool client_takeover = policy.context_takeover && !offer.client_no_takeover;
    const int server_bits =
        std::min(policy.max_window_bits, offer.server_window_bits.value_or(kLargestWindowBits));
    // A client that does not name the parameter cannot be told to use less.
    const int client_bits = offer.client_window_named
                                ? std::min(policy.max_window_bits,
                                           offer.client_window_bits.value_or(kLargestWindowBits))
                                : kLargestWindowBits;

    std::string header(kName);
    if (!server_takeover) {
        header.append("; ").append(kServerNoTakeover);
    }
    if (!client_takeover) {
        header.append("; ").append(kClientNoTakeover);
    }
    if (offer.server_window_bits || server_bits < kLargestWindowBits) {
        header += with_value(kServerWindow, server_bits);
    }
    if (client_bits < kLargestWindowBits) {
        header += with_value(kClientWindow, client_bits);
    }
    return {.agreement = {.send = {server_takeover, server_bits},
                          .receive = {client_takeover, client_bits},
                          .threshold_bytes = policy.threshold_bytes},
            .header = std::move(header)};
}

std::unexpected<Error> not_offered(std::string_view why) {
    return fail(ErrorCode::invalid, "the answer to the opening handshake has " + std::string(why));
}

}  // namespace

std::string deflate_offer(const DeflatePolicy& policy) {
    check(policy);
    std::string offer(kName);
    if (!policy.context_takeover) {
        offer.append("; ").append(kServerNoTakeover).append("; ").append(kClientNoTakeover);
    }
    if (policy.max_window_bits < kLargestWindowBits) {
        offer += with_value(kServerWindow, policy.max_window_bits);
    }
    return offer.append("; ").append(kClientWindow);
}

std::optional<DeflateAnswer> answer_deflate(std::string_view offers, const DeflatePolicy& policy) {
    if (!policy.enabled) {
        return std::nullopt;
    }
    check(policy);
    const auto extensions = ExtensionParser(offers).parse();
    if (!extensions) {
        return std::nullopt;
    }
    for (const Extension& extension : *extensions) {
        if (extension.name != kName) {
            continue;
        }
        if (const auto offer = read(extension, true)) {
            return accept(*offer, policy);
        }
    }
    return std::nullopt;
}

Result<std::optional<DeflateAgreement>> check_deflate(std::string_view answer,
                                                      const DeflatePolicy& policy) {
    const auto extensions = ExtensionParser(answer).parse();
    if (!extensions) {
        return not_offered("a malformed Sec-WebSocket-Extensions");
    }
    if (extensions->empty()) {
        return std::nullopt;
    }
    if (!policy.enabled || extensions->size() > 1 || extensions->front().name != kName) {
        return not_offered("an extension that was not offered");
    }
    const auto agreed = read(extensions->front(), false);
    if (!agreed) {
        return not_offered("a wrong parameter of permessage-deflate");
    }
    const int server_bits = agreed->server_window_bits.value_or(kLargestWindowBits);
    if (server_bits > policy.max_window_bits) {
        return not_offered("a larger window than was offered");
    }
    if (!policy.context_takeover && !agreed->server_no_takeover) {
        return not_offered("no server_no_context_takeover, though it was offered");
    }
    return DeflateAgreement{
        .send = {policy.context_takeover && !agreed->client_no_takeover,
                 std::min(policy.max_window_bits,
                          agreed->client_window_bits.value_or(kLargestWindowBits))},
        .receive = {!agreed->server_no_takeover, server_bits},
        .threshold_bytes = policy.threshold_bytes};
}

}  // namespace holdfast::websocket
