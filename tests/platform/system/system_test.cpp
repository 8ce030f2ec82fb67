#include <array>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <set>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "platform/system/clock.h"
#include "platform/system/entropy.h"
#include "platform/system/log.h"
#include "platform/system/systemd.h"

namespace system_under_test = holdfast::system;

namespace {
// The logger lives as long as the program: it is made before leaks are counted.
[[maybe_unused]] const bool kLoggerMade = holdfast::log::set_level("info");
}  // namespace

TEST_GROUP(Clock){};

TEST(Clock, monotonic_time_is_the_uptime_and_never_goes_back) {
    auto last = system_under_test::monotonic_now();
    CHECK(last.time_since_epoch().count() > 0);
    for (int i = 0; i < 1000; ++i) {
        const auto now = system_under_test::monotonic_now();
        CHECK(now >= last);
        last = now;
    }
}

TEST(Clock, wall_time_is_in_this_century) {
    CHECK(system_under_test::wall_now() > holdfast::WallTime(std::chrono::days(18'000)));
    CHECK(system_under_test::wall_now() < holdfast::WallTime(std::chrono::days(60'000)));
}

TEST_GROUP(Entropy){};

TEST(Entropy, numbers_do_not_repeat_across_blocks) {
    system_under_test::SystemEntropy entropy;
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) {
        CHECK(seen.insert(entropy.number()).second);
    }
}

TEST(Entropy, every_size_is_filled_to_its_end) {
    system_under_test::SystemEntropy entropy;
    for (const std::size_t size : {0u, 1u, 4u, 255u, 256u, 257u, 1023u, 1024u, 1025u, 100'000u}) {
        // Each byte is other than zero in one of 16 fills, or luck has run out.
        std::vector<std::byte> ever(size);
        for (int i = 0; i < 16; ++i) {
            std::vector<std::byte> bytes(size);
            entropy.fill(bytes);
            for (std::size_t at = 0; at < size; ++at) {
                ever[at] |= bytes[at];
            }
        }
        for (const std::byte byte : ever) {
            CHECK(byte != std::byte{0});
        }
    }
}

TEST(Entropy, the_boot_id_is_the_same_for_all_who_ask) {
    CHECK(system_under_test::boot_id() != 0);
    CHECK(system_under_test::boot_id() == system_under_test::boot_id());
}

TEST_GROUP(Systemd) {
    int receiver = -1;
    std::array<char, 108> directory{};

    void teardown() override {
        unsetenv("NOTIFY_SOCKET");
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
        if (receiver >= 0) {
            close(receiver);
        }
        if (directory[0] != '\0') {
            unlink((std::string(directory.data()) + "/notify").c_str());
            rmdir(directory.data());
        }
    }
    void make_directory() {
        std::strcpy(directory.data(), "/tmp/holdfast-XXXXXX");
        CHECK(mkdtemp(directory.data()) != nullptr);
    }
    /// `name` as NOTIFY_SOCKET has it: "@…" is abstract.
    void listen_on(const std::string& name) {
        receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        name.copy(address.sun_path, sizeof(address.sun_path));
        if (name[0] == '@') {
            address.sun_path[0] = '\0';
        }
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        LONGS_EQUAL(0, bind(receiver, reinterpret_cast<const sockaddr*>(&address), length));
        setenv("NOTIFY_SOCKET", name.c_str(), 1);
    }
    std::string received() const {
        std::array<char, 256> buffer;
        const ssize_t got = recv(receiver, buffer.data(), buffer.size(), 0);
        return got < 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(got));
    }
};

TEST(Systemd, without_the_variable_nothing_happens) {
    CHECK(system_under_test::notify("READY=1"));
    setenv("NOTIFY_SOCKET", "", 1);
    CHECK(system_under_test::notify("READY=1"));
}

TEST(Systemd, a_state_arrives_as_one_datagram) {
    make_directory();
    listen_on(std::string(directory.data()) + "/notify");
    CHECK(system_under_test::notify("READY=1\nSTATUS=all is well"));
    STRCMP_EQUAL("READY=1\nSTATUS=all is well", received().c_str());
    STRCMP_EQUAL("", received().c_str());
}

TEST(Systemd, abstract_sockets_are_reached) {
    listen_on("@holdfast-test-" + std::to_string(getpid()));
    CHECK(system_under_test::notify("WATCHDOG=1"));
    STRCMP_EQUAL("WATCHDOG=1", received().c_str());
}

TEST(Systemd, a_socket_that_cannot_be_written_to_is_told) {
    setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
    CHECK(!system_under_test::notify("READY=1"));
    setenv("NOTIFY_SOCKET", "no-path", 1);
    CHECK(!system_under_test::notify("READY=1"));
    setenv("NOTIFY_SOCKET", ("/" + std::string(200, 'x')).c_str(), 1);
    CHECK(!system_under_test::notify("READY=1"));
}

TEST(Systemd, the_watchdog_is_for_the_process_it_names) {
    CHECK(!system_under_test::watchdog_interval());
    setenv("WATCHDOG_USEC", "30000000", 1);
    CHECK(system_under_test::watchdog_interval() == std::chrono::seconds(30));
    setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
    CHECK(system_under_test::watchdog_interval() == std::chrono::seconds(30));
    setenv("WATCHDOG_PID", "1", 1);
    CHECK(!system_under_test::watchdog_interval());
}

TEST(Systemd, a_watchdog_that_is_no_positive_number_is_none) {
    for (const char* text : {"", "0", "-5", "soon", "5x"}) {
        setenv("WATCHDOG_USEC", text, 1);
        CHECK_TEXT(!system_under_test::watchdog_interval(), text);
    }
}

/// Standard error goes into a pipe for the time of a test.
TEST_GROUP(Log) {
    std::array<int, 2> pipe_ends{};
    int saved = -1;

    void setup() override {
        LONGS_EQUAL(0, pipe2(pipe_ends.data(), O_NONBLOCK | O_CLOEXEC));
        saved = dup(STDERR_FILENO);
        dup2(pipe_ends[1], STDERR_FILENO);
    }
    void teardown() override {
        dup2(saved, STDERR_FILENO);
        close(saved);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        holdfast::log::set_level(holdfast::log::Level::info);
    }
    std::string written() const {
        std::array<char, 4096> buffer;
        const ssize_t got = read(pipe_ends[0], buffer.data(), buffer.size());
        return got < 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(got));
    }
};

TEST(Log, an_event_is_one_line_with_time_and_level) {
    holdfast::log::info("uplink: connected");
    const std::string line = written();
    LONGS_EQUAL(std::strlen("2026-11-20T10:00:00.123Z info  uplink: connected\n"), line.size());
    STRCMP_EQUAL("Z info  uplink: connected\n", line.c_str() + 23);
    CHECK(line[10] == 'T' && line[19] == '.');
}

TEST(Log, what_is_below_the_level_is_not_written) {
    holdfast::log::debug("quiet");
    STRCMP_EQUAL("", written().c_str());
    CHECK(holdfast::log::set_level("debug"));
    holdfast::log::debug("loud");
    STRCMP_CONTAINS("debug loud", written().c_str());
    CHECK(!holdfast::log::set_level("verbose"));
    holdfast::log::debug("loud");
    STRCMP_CONTAINS("debug loud", written().c_str());
    CHECK(holdfast::log::set_level("off"));
    holdfast::log::error("nothing");
    STRCMP_EQUAL("", written().c_str());
}

TEST(Log, a_message_cannot_forge_a_line_nor_steer_a_terminal) {
    holdfast::log::warning("a\nb\x1b[2J\x7f\tµ");
    STRCMP_EQUAL(" warning a\\nb\\x1b[2J\\x7f\\x09µ\n", written().c_str() + 24);
}

TEST(Log, nobody_listening_is_no_reason_to_stop) {
    const int nowhere = open("/dev/full", O_WRONLY | O_CLOEXEC);
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
    holdfast::log::error("lost");
}
