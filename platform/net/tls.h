#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "firmware/base/error.h"

namespace holdfast::net {

/// TLS 1.2 and 1.3 by wolfSSL. A context is made once from files and shared by all streams of a
/// listener or an uplink.
struct ClientTlsOptions {
    std::filesystem::path ca_file;    ///< PEM; trusted roots
    std::filesystem::path cert_file;  ///< PEM chain of our own; empty: none
    std::filesystem::path key_file;
    bool verify = true;  ///< chain, dates and host name
};

struct ServerTlsOptions {
    std::filesystem::path cert_file;  ///< PEM chain
    std::filesystem::path key_file;
    std::filesystem::path client_ca_file;  ///< empty: clients are not asked for a certificate
    bool require_client_certificate = false;
};

class TlsContext {
public:
    /// Errors: not_found, invalid (not PEM, key does not fit), each naming the file.
    [[nodiscard]] static Result<std::shared_ptr<TlsContext>> client(
        const ClientTlsOptions& options);
    [[nodiscard]] static Result<std::shared_ptr<TlsContext>> server(
        const ServerTlsOptions& options);
    virtual ~TlsContext() = default;
};

}  // namespace holdfast::net
