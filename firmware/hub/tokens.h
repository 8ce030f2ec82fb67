#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/base/clock.h"
#include "firmware/base/error.h"
#include "firmware/ports/entropy.h"

namespace holdfast::hub {

/// One device's right to a line. The token itself is never kept, only its SHA-256: it has 256
/// random bits, so no slow hash is needed.
struct Token {
    std::string device;
    std::string hash_hex;
    bool relay = false;  ///< may also carry other origins' readings: a site gateway
    WallTime created{};
};

/// Who may connect: the content of `data_dir`/tokens, a text file with a line a token, "DEVICE
/// SHA256 device|relay CREATED".
class TokenTable {
public:
    /// Errors: invalid (names the line).
    [[nodiscard]] static Result<TokenTable> parse(std::string_view text);
    [[nodiscard]] std::string to_text() const;

    /// Makes a token for a device, keeps its hash, and returns the token: the only moment at which
    /// it is known.
    [[nodiscard]] std::string create(const std::string& device, bool relay, WallTime now,
                                     ports::Entropy& entropy);
    /// Removes all tokens of a device; how many there were.
    std::size_t revoke(std::string_view device);

    /// The entry of a presented token. nullptr: none. How long it takes may tell something of the
    /// hashes kept here, which is no help in finding a token.
    [[nodiscard]] const Token* find(std::string_view presented) const;
    [[nodiscard]] const std::vector<Token>& tokens() const { return tokens_; }

private:
    void index();

    std::vector<Token> tokens_;
    std::vector<std::uint32_t> by_hash_;  ///< indices of `tokens_`: thousands connect at once
};

}  // namespace holdfast::hub
