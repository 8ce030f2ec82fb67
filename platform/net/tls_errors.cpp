#include "platform/net/tls_errors.h"

#include <array>
#include <optional>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

namespace holdfast::net {
namespace {

std::string reason(int number) {
    std::array<char, WOLFSSL_MAX_ERROR_SZ> text{};
    wolfSSL_ERR_error_string_n(static_cast<unsigned long>(number < 0 ? -number : number),
                               text.data(), text.size());
    return std::string(text.data()) + " (wolfSSL " + std::to_string(number) + ")";
}

std::optional<Error> distrusted(const TlsFailure& failure) {
    const std::string whose =
        failure.server ? "the client's certificate " : "the server's certificate ";
    const auto untrusted = [&](const std::string& what) {
        return Error{ErrorCode::untrusted, whose + what};
    };
    // Numbers of wolfSSL itself and, where it speaks as OpenSSL does, of X.509 verification.
    switch (failure.distrust != 0 ? failure.distrust : failure.error) {
        case ASN_AFTER_DATE_E:
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
            return untrusted("has expired");
        case ASN_BEFORE_DATE_E:
        case X509_V_ERR_CERT_NOT_YET_VALID:
        case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
            return untrusted("is not yet valid (is this machine's clock right?)");
        case ASN_SELF_SIGNED_E:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
            return untrusted("is self-signed and not among those we trust");
        case ASN_NO_SIGNER_E:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return untrusted("is from an issuer we do not know");
        case DOMAIN_NAME_MISMATCH:
        case IPADDR_MISMATCH:
            return untrusted("is not for \"" + failure.host + "\" but for another name");
        case ASN_SIG_CONFIRM_E:
            return untrusted("has a wrong signature");
        case EXTKEYUSE_AUTH_E:
        case KEYUSE_SIGNATURE_E:
        case KEYUSE_ENCIPHER_E:
            return untrusted("is not meant for this use");
        case NO_PEER_CERT:
            if (failure.server) {
                return Error{ErrorCode::unauthorized,
                             "the client showed no certificate, but one is required"};
            }
            return untrusted("is missing");
        default:
            break;
    }
    if (failure.distrust != 0) {
        return untrusted("does not verify: " + reason(failure.distrust));
    }
    return std::nullopt;
}

Error alerted(const TlsFailure& failure) {
    const std::string peer = failure.server ? "the client " : "the server ";
    const auto ours = [&](const std::string& what) {
        // A server's certificate that a client refuses is the client's distrust, not a lack of
        // rights.
        return Error{failure.server ? ErrorCode::refused : ErrorCode::unauthorized, peer + what};
    };
    // RFC 8446, Section 6.2; TLS 1.2 has no certificate_required and uses handshake_failure.
    switch (failure.alert_received) {
        case 40:
            return {ErrorCode::refused,
                    peer + "refused the handshake: nothing in common, or it wants a certificate"};
        case 42:
            return ours("refused our certificate, or misses it (alert bad_certificate)");
        case 43:
            return ours("does not support our certificate's kind");
        case 44:
            return ours("says that our certificate is revoked");
        case 45:
            return ours("says that our certificate has expired");
        case 46:
            return ours("refused our certificate (alert certificate_unknown)");
        case 48:
            return ours("does not know the issuer of our certificate");
        case 49:
            return ours("denies access to our certificate");
        case 70:
            return {ErrorCode::unsupported,
                    peer + "speaks no TLS version that we do (1.2 and 1.3)"};
        case 116:
            return ours("requires a certificate, and we have shown none");
        default:
            return {ErrorCode::refused,
                    peer + "ended TLS with alert " + std::to_string(failure.alert_received)};
    }
}

}  // namespace

Error tls_error(const TlsFailure& failure) {
    if (failure.alert_received >= 0 && failure.distrust == 0) {
        return alerted(failure);
    }
    if (auto error = distrusted(failure)) {
        return *std::move(error);
    }
    switch (failure.error) {
        case UNKNOWN_RECORD_TYPE:
        case PARSE_ERROR:
        case BUFFER_ERROR:
        case LENGTH_ERROR:
        case UNKNOWN_HANDSHAKE_TYPE:
        case BUFFER_E:
            return {ErrorCode::invalid, "what the peer sent is not TLS: " + reason(failure.error)};
        case VERSION_ERROR:
        case UNSUPPORTED_PROTO_VERSION:
        case MATCH_SUITE_ERROR:
        case UNSUPPORTED_SUITE:
            return {ErrorCode::unsupported,
                    "no TLS version or cipher in common: " + reason(failure.error)};
        default:
            return {ErrorCode::io, "TLS failed: " + reason(failure.error)};
    }
}

}  // namespace holdfast::net
