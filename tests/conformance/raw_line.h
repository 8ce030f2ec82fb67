#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

/// TCP and processes with plain system calls.
namespace holdfast::conformance {

using Clock = std::chrono::steady_clock;

/// What a TLS client holds for a RawLine.
struct RawTls;

/// One connection, non-blocking. The descriptor is closed at the end.
class RawLine {
public:
    explicit RawLine(int descriptor);
    /// To 127.0.0.1; with `tls` the server's certificate is not looked at.
    [[nodiscard]] static RawLine connect(std::uint16_t port, bool tls);
    RawLine(RawLine&&) noexcept;
    RawLine(const RawLine&) = delete;
    RawLine& operator=(const RawLine&) = delete;
    ~RawLine();

    /// Waits until bytes have come (they are appended to `received`), some of `unsent` (is then cut
    /// from it) could be sent, the peer has ended, or the deadline has passed: false then.
    bool step(std::string_view& unsent, std::string& received, Clock::time_point deadline);
    [[nodiscard]] bool ended() const { return ended_; }
    /// That the peer has reset the connection, and did not end it in order.
    [[nodiscard]] bool reset() const { return reset_; }
    /// Ends our side.
    void finish();

    /// All is sent, and an HTTP head has come, which is returned; what follows it is left in
    /// `rest`. "" if it does not come.
    std::string exchange_head(std::string_view request, std::string& rest);

private:
    [[nodiscard]] long read(char* to, std::size_t size) const;
    [[nodiscard]] long write(std::string_view bytes) const;

    int descriptor_;
    std::unique_ptr<RawTls> tls_;
    bool ended_ = false;
    bool reset_ = false;
};

/// Listens on a free port of 127.0.0.1.
class RawListener {
public:
    RawListener();
    RawListener(const RawListener&) = delete;
    RawListener& operator=(const RawListener&) = delete;
    ~RawListener();
    [[nodiscard]] std::uint16_t port() const { return port_; }
    /// The next connection; a descriptor of -1 when none comes in time.
    [[nodiscard]] int accept(Clock::duration patience) const;

private:
    int descriptor_;
    std::uint16_t port_ = 0;
};

/// A program that was started, and is stopped at the end.
class Child {
public:
    explicit Child(std::vector<std::string> command);
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();
    /// The first line that it prints.
    [[nodiscard]] std::string first_line() const;
    /// SIGTERM; its exit code, or -1 if it did not end by itself.
    int stop();
    /// Waits for its end.
    int wait();

private:
    int process_ = -1;
    int output_ = -1;
};

}  // namespace holdfast::conformance
