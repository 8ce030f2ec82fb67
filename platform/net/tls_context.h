#pragma once

// wolfSSL's own settings come before any header of its.
#include <map>
#include <memory>
#include <string>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "platform/net/tls.h"

namespace holdfast::net {

/// The settings, certificates and keys of many sessions. A server's may be used
/// by several network threads (wolfSSL counts its references under a lock of
/// its own); a client's belongs to one, for it keeps sessions for resumption.
class WolfTlsContext final : public TlsContext,
                             public std::enable_shared_from_this<WolfTlsContext> {
public:
    enum class Role { client, server };
    /// What the peer must show.
    enum class Trust { anything, verified_if_shown, verified };

    WolfTlsContext(Role role, Trust trust, WOLFSSL_CTX* context)
        : role_(role), trust_(trust), context_(context) {}

    [[nodiscard]] Role role() const { return role_; }
    [[nodiscard]] Trust trust() const { return trust_; }
    [[nodiscard]] WOLFSSL_CTX* get() const { return context_.get(); }

    /// A client's last session with "host:port", or nullptr; stays the context's.
    [[nodiscard]] WOLFSSL_SESSION* session(const std::string& key) const;
    /// Takes `session`, in place of an earlier one.
    void keep_session(const std::string& key, WOLFSSL_SESSION* session);
    void forget_session(const std::string& key) { sessions_.erase(key); }

private:
    struct FreeContext {
        void operator()(WOLFSSL_CTX* context) const { wolfSSL_CTX_free(context); }
    };
    struct FreeSession {
        void operator()(WOLFSSL_SESSION* session) const { wolfSSL_SESSION_free(session); }
    };

    Role role_;
    Trust trust_;
    std::unique_ptr<WOLFSSL_CTX, FreeContext> context_;
    std::map<std::string, std::unique_ptr<WOLFSSL_SESSION, FreeSession>> sessions_;
};

}  // namespace holdfast::net
