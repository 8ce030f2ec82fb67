#pragma once

#include <string>

#include "firmware/base/error.h"

namespace holdfast::net {

/// What a handshake or a session failed of, as a technician wants to read it.
struct TlsFailure {
    int error = 0;            ///< of wolfSSL_get_error
    int distrust = 0;         ///< what the verification of the peer's certificate said, or 0
    int alert_received = -1;  ///< description of the fatal alert the peer sent, or -1
    bool server = false;      ///< our role
    std::string host;         ///< the name that a client verifies
};

/// untrusted: the peer's certificate does not verify; says whether it has expired, is not yet
/// valid, is self-signed or from an unknown issuer, or is for another name. unauthorized: the peer
/// wants a certificate of ours, or ours does not please it. refused: the peer ended the handshake
/// for another reason. invalid: what came is not TLS. unsupported: no TLS version or cipher in
/// common. io: anything else.
[[nodiscard]] Error tls_error(const TlsFailure& failure);

}  // namespace holdfast::net
