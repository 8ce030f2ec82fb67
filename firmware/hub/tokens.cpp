#include "firmware/hub/tokens.h"

#include <algorithm>
#include <array>
#include <numeric>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/hash.h>

#include "firmware/base/text.h"

namespace holdfast::hub {

namespace {

constexpr std::size_t kTokenBytes = 32;

std::string hash_of(std::string_view token) {
    std::array<std::byte, 32> digest{};
    wc_Sha256Hash(reinterpret_cast<const unsigned char*>(token.data()),
                  static_cast<word32>(token.size()),
                  reinterpret_cast<unsigned char*>(digest.data()));
    return to_hex(digest);
}

std::vector<std::string_view> words(std::string_view line) {
    std::vector<std::string_view> out;
    while (!line.empty()) {
        const std::size_t end = std::min(line.find(' '), line.size());
        if (end > 0) {
            out.push_back(line.substr(0, end));
        }
        line.remove_prefix(std::min(end + 1, line.size()));
    }
    return out;
}

}  // namespace

Result<TokenTable> TokenTable::parse(std::string_view text) {
    TokenTable table;
    for (int number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.starts_with('#')) {
            continue;
        }
        const std::vector<std::string_view> fields = words(line);
        const auto created = fields.size() == 4 ? parse_time(fields[3])
                                                : Result<WallTime>(fail(ErrorCode::invalid, ""));
        if (!created || fields[1].size() != 2 * kTokenBytes || !from_hex(fields[1]) ||
            (fields[2] != "relay" && fields[2] != "device")) {
            return fail(ErrorCode::invalid,
                        "line " + std::to_string(number) +
                            ": \"DEVICE SHA256 device|relay TIME\" is expected");
        }
        table.tokens_.push_back(
            {std::string(fields[0]), std::string(fields[1]), fields[2] == "relay", *created});
    }
    table.index();
    return table;
}

std::string TokenTable::to_text() const {
    std::string text =
        "# Device tokens of this hub, hashed. Made by `holdfast token`; do not edit.\n";
    for (const Token& token : tokens_) {
        text += token.device + ' ' + token.hash_hex + (token.relay ? " relay " : " device ") +
                format_time(token.created) + '\n';
    }
    return text;
}

std::string TokenTable::create(const std::string& device, bool relay, WallTime now,
                               ports::Entropy& entropy) {
    std::array<std::byte, kTokenBytes> secret{};
    entropy.fill(secret);
    std::string token = to_hex(secret);
    tokens_.push_back({device, hash_of(token), relay, now});
    index();
    return token;
}

std::size_t TokenTable::revoke(std::string_view device) {
    const std::size_t count =
        std::erase_if(tokens_, [&](const Token& token) { return token.device == device; });
    index();
    return count;
}

const Token* TokenTable::find(std::string_view presented) const {
    const std::string hash = hash_of(presented);
    const auto found = std::ranges::lower_bound(
        by_hash_, hash, {},
        [this](std::uint32_t i) -> const std::string& { return tokens_[i].hash_hex; });
    return found != by_hash_.end() && tokens_[*found].hash_hex == hash ? &tokens_[*found] : nullptr;
}

void TokenTable::index() {
    by_hash_.resize(tokens_.size());
    std::iota(by_hash_.begin(), by_hash_.end(), 0u);
    std::ranges::sort(by_hash_, {}, [this](std::uint32_t i) -> const std::string& {
        return tokens_[i].hash_hex;
    });
}

}  // namespace holdfast::hub
