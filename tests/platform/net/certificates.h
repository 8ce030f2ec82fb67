#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "platform/net/tls.h"

namespace holdfast::net {

/// What tests/certificates.sh makes, in a directory of its own that is removed when the process
/// ends.
inline std::filesystem::path certificate_file(const std::string& name) {
    struct Directory {
        std::filesystem::path path;
        Directory() {
            std::string pattern =
                (std::filesystem::temp_directory_path() / "holdfast-net-XXXXXX").string();
            if (::mkdtemp(pattern.data()) == nullptr ||
                std::system((std::string(CERTIFICATES_SCRIPT) + " " + pattern).c_str()) != 0) {
                std::abort();
            }
            path = pattern;
        }
        ~Directory() { std::filesystem::remove_all(path); }
        Directory(const Directory&) = delete;
        Directory& operator=(const Directory&) = delete;
    };
    static const Directory directory;
    return directory.path / name;
}

enum class ClientCertificate { not_asked, required };

inline std::shared_ptr<TlsContext> server_tls(
    const std::string& name = "server", ClientCertificate client = ClientCertificate::not_asked) {
    ServerTlsOptions options;
    options.cert_file = certificate_file(name + ".pem");
    options.key_file = certificate_file((name == "server-chain" ? "server" : name) + ".key");
    if (client == ClientCertificate::required) {
        options.client_ca_file = certificate_file("ca.pem");
        options.require_client_certificate = true;
    }
    return TlsContext::server(options).value();
}

/// A client that trusts `ca`, with the certificate `name` of its own, or without.
inline std::shared_ptr<TlsContext> client_tls(const std::string& name = "") {
    ClientTlsOptions options;
    options.ca_file = certificate_file("ca.pem");
    if (!name.empty()) {
        options.cert_file = certificate_file(name + ".pem");
        options.key_file = certificate_file(name + ".key");
    }
    return TlsContext::client(options).value();
}

}  // namespace holdfast::net
