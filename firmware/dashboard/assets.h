#pragma once

#include <span>
#include <string_view>

#include "firmware/base/bytes.h"

namespace holdfast::dashboard {

/// One file of the page. Everything views the executable's own constants, so it stays valid for
/// ever.
struct Asset {
    std::string_view path;          ///< as requested: "/", "/app.js" …
    std::string_view content_type;  ///< value of `Content-Type`
    std::string_view etag;          ///< value of `ETag`, with its quotes; changes with the bytes
    ByteView bytes;
    bool gzip;  ///< `bytes` are compressed: they are sent with `Content-Encoding: gzip`
};

/// Every file of the page, "/" first. All are stored compressed only: every browser takes that.
[[nodiscard]] std::span<const Asset> assets();

/// The file at `path` (decoded, without query); nullptr: there is none. Paths compare exactly.
[[nodiscard]] const Asset* find_asset(std::string_view path);

}  // namespace holdfast::dashboard
