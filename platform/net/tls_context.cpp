#include "platform/net/tls_context.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>

namespace holdfast::net {
namespace {

using File = std::filesystem::path;

/// ChaCha20 first: it is fast in plain code, and neither Debian's wolfSSL nor most boards have AES
/// instructions at work.
constexpr const char* kCiphers =
    "TLS13-CHACHA20-POLY1305-SHA256:TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
constexpr const char* kSystemRoots = "/etc/ssl/certs/ca-certificates.crt";

Result<std::string> read(const File& file) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream.is_open()) {
        const int number = errno;
        return fail(ErrorCode::not_found,
                    file.string() + ": " + std::generic_category().message(number));
    }
    std::ostringstream text;
    text << stream.rdbuf();
    if (text.view().empty()) {
        return fail(ErrorCode::not_found, file.string() + ": empty, or not a file");
    }
    return std::move(text).str();
}

const unsigned char* octets(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

/// Whether an elliptic-curve key belongs to the certificate; true for keys of other kinds.
/// wolfSSL's own check looks at RSA moduli, but takes any EC key on the right curve.
bool curve_key_fits(const std::string& chain, const std::string& key) {
    std::vector<unsigned char> der(key.size());
    const int size = wc_KeyPemToDer(octets(key), static_cast<int>(key.size()), der.data(),
                                    static_cast<int>(der.size()), nullptr);
    ecc_key curve_key;
    if (size <= 0 || wc_ecc_init(&curve_key) != 0) {
        return true;
    }
    word32 index = 0;
    std::array<unsigned char, 2 * MAX_ECC_BYTES + 1> point{};
    word32 point_size = point.size();
    const bool derived =
        wc_EccPrivateKeyDecode(der.data(), &index, &curve_key, static_cast<word32>(size)) == 0 &&
        wc_ecc_make_pub(&curve_key, nullptr) == 0 &&
        wc_ecc_export_x963(&curve_key, point.data(), &point_size) == 0;
    wc_ecc_free(&curve_key);
    std::ranges::fill(der, static_cast<unsigned char>(0));
    WOLFSSL_X509* const certificate = wolfSSL_X509_load_certificate_buffer(
        octets(chain), static_cast<int>(chain.size()), WOLFSSL_FILETYPE_PEM);
    std::array<unsigned char, 1024> shown{};
    int shown_size = static_cast<int>(shown.size());
    const bool read =
        wolfSSL_X509_get_pubkey_buffer(certificate, shown.data(), &shown_size) == WOLFSSL_SUCCESS;
    wolfSSL_X509_free(certificate);
    if (!derived || !read) {
        return true;
    }
    // The certificate's field may have its algorithm in front of the point.
    const auto size_of_shown = static_cast<std::size_t>(shown_size);
    return point_size <= size_of_shown &&
           std::equal(point.begin(), point.begin() + point_size,
                      shown.begin() + static_cast<std::ptrdiff_t>(size_of_shown - point_size));
}

Result<void> use_certificate(WOLFSSL_CTX* context, const File& cert_file, const File& key_file) {
    const Result<std::string> chain = read(cert_file);
    if (!chain) {
        return std::unexpected(chain.error());
    }
    const Result<std::string> key = read(key_file);
    if (!key) {
        return std::unexpected(key.error());
    }
    if (wolfSSL_CTX_use_certificate_chain_buffer(
            context, octets(*chain), static_cast<long>(chain->size())) != WOLFSSL_SUCCESS) {
        return fail(ErrorCode::invalid, cert_file.string() + ": no certificate in PEM form");
    }
    if (key->find("ENCRYPTED") != std::string::npos) {
        return fail(ErrorCode::invalid,
                    key_file.string() +
                        ": the key is encrypted, and there is nobody to ask for its passphrase");
    }
    if (wolfSSL_CTX_use_PrivateKey_buffer(context, octets(*key), static_cast<long>(key->size()),
                                          WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS) {
        return fail(ErrorCode::invalid, key_file.string() + ": no private key in PEM form");
    }
    if (wolfSSL_CTX_check_private_key(context) != WOLFSSL_SUCCESS ||
        !curve_key_fits(*chain, *key)) {
        return fail(ErrorCode::invalid, "the key in " + key_file.string() +
                                            " does not belong to the certificate in " +
                                            cert_file.string());
    }
    return {};
}

Result<void> use_roots(WOLFSSL_CTX* context, const File& file) {
    const Result<std::string> roots = read(file);
    if (!roots) {
        return std::unexpected(roots.error());
    }
    // One root that has expired, or is of a kind wolfSSL does not know, must not cost all the
    // others.
    constexpr unsigned kFlags = WOLFSSL_LOAD_FLAG_IGNORE_ERR | WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY;
    if (wolfSSL_CTX_load_verify_buffer_ex(context, octets(*roots), static_cast<long>(roots->size()),
                                          WOLFSSL_FILETYPE_PEM, 0, kFlags) != WOLFSSL_SUCCESS) {
        return fail(ErrorCode::invalid, file.string() + ": no certificate in PEM form");
    }
    return {};
}

Result<std::shared_ptr<WolfTlsContext>> make(WolfTlsContext::Role role,
                                             WolfTlsContext::Trust trust) {
    static const bool ready = wolfSSL_Init() == WOLFSSL_SUCCESS;
    WOLFSSL_METHOD* method = nullptr;
    if (ready) {
        method = role == WolfTlsContext::Role::client ? wolfSSLv23_client_method()
                                                      : wolfSSLv23_server_method();
    }
    WOLFSSL_CTX* const raw = method != nullptr ? wolfSSL_CTX_new(method) : nullptr;
    if (raw == nullptr) {
        return fail(ErrorCode::io, "wolfSSL could not be set up");
    }
    auto context = std::make_shared<WolfTlsContext>(role, trust, raw);
    if (wolfSSL_CTX_SetMinVersion(raw, WOLFSSL_TLSV1_2) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_cipher_list(raw, kCiphers) != WOLFSSL_SUCCESS) {
        return fail(ErrorCode::io, "wolfSSL lacks TLS 1.2 or the ciphers we use");
    }
    return context;
}

}  // namespace

WOLFSSL_SESSION* WolfTlsContext::session(const std::string& key) const {
    const auto found = sessions_.find(key);
    return found == sessions_.end() ? nullptr : found->second.get();
}

void WolfTlsContext::keep_session(const std::string& key, WOLFSSL_SESSION* session) {
    sessions_[key].reset(session);
}

Result<std::shared_ptr<TlsContext>> TlsContext::client(const ClientTlsOptions& options) {
    using enum WolfTlsContext::Trust;
    auto context = make(WolfTlsContext::Role::client, options.verify ? verified : anything);
    if (!context) {
        return std::unexpected(context.error());
    }
    WOLFSSL_CTX* const raw = (*context)->get();
    if (options.verify) {
        const File roots = options.ca_file.empty() ? File(kSystemRoots) : options.ca_file;
        if (Result<void> used = use_roots(raw, roots); !used) {
            return std::unexpected(used.error());
        }
    }
    if (!options.cert_file.empty()) {
        if (Result<void> used = use_certificate(raw, options.cert_file, options.key_file); !used) {
            return std::unexpected(used.error());
        }
    }
    wolfSSL_CTX_UseSessionTicket(raw);
    return std::shared_ptr<TlsContext>(std::move(*context));
}

Result<std::shared_ptr<TlsContext>> TlsContext::server(const ServerTlsOptions& options) {
    using enum WolfTlsContext::Trust;
    const auto trust = options.client_ca_file.empty()       ? anything
                       : options.require_client_certificate ? verified
                                                            : verified_if_shown;
    if (options.client_ca_file.empty() && options.require_client_certificate) {
        return fail(ErrorCode::invalid,
                    "client certificates are required, but no file names the issuers to trust");
    }
    auto context = make(WolfTlsContext::Role::server, trust);
    if (!context) {
        return std::unexpected(context.error());
    }
    WOLFSSL_CTX* const raw = (*context)->get();
    if (Result<void> used = use_certificate(raw, options.cert_file, options.key_file); !used) {
        return std::unexpected(used.error());
    }
    wolfSSL_CTX_set_session_cache_mode(raw, WOLFSSL_SESS_CACHE_OFF);
    if (trust != anything) {
        if (Result<void> used = use_roots(raw, options.client_ca_file); !used) {
            return std::unexpected(used.error());
        }
        // A resumed session would not show the client's certificate again, and so not its name.
        wolfSSL_CTX_NoTicketTLSv12(raw);
        wolfSSL_CTX_no_ticket_TLSv13(raw);
    }
    return std::shared_ptr<TlsContext>(std::move(*context));
}

}  // namespace holdfast::net
