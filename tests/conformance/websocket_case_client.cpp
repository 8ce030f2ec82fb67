#include <charconv>
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "platform/net/connect.h"
#include "platform/system/entropy.h"
#include "tests/conformance/echo_line.h"

namespace {

using namespace holdfast;
using conformance::EchoLine;

constexpr const char* kAgent = "agent=holdfast";
constexpr unsigned kProgressEvery = 50;

class CaseClient {
public:
    CaseClient(boost::asio::io_context& io, http::Url url, std::shared_ptr<net::TlsContext> tls)
        : io_(io), url_(std::move(url)), tls_(std::move(tls)) {
        if (url_.target.ends_with('/')) {
            url_.target.pop_back();
        }
    }

    /// The exit code: 0 when every case was run, whatever came of it.
    boost::asio::awaitable<int> run() {
        const EchoLine::Outcome counted = co_await converse("/getCaseCount", false);
        unsigned count = 0;
        const char* const end = counted.last_text.data() + counted.last_text.size();
        if (std::from_chars(counted.last_text.data(), end, count).ptr != end || count == 0) {
            say("/getCaseCount gave no number", counted.failure);
            co_return 1;
        }
        std::fprintf(stderr, "%u cases\n", count);
        for (unsigned number = 1; number <= count; ++number) {
            const std::string target = "/runCase?case=" + std::to_string(number) + "&" + kAgent;
            const EchoLine::Outcome outcome = co_await converse(target, true);
            if (verbose && !outcome.failure.empty()) {
                say(target, outcome.failure);
            }
            if (number % kProgressEvery == 0) {
                std::fprintf(stderr, "%u of %u\n", number, count);
            }
        }
        co_await converse(std::string("/updateReports?") + kAgent, false);
        co_return 0;
    }

    bool verbose = false;
    bool takeover = false;

private:
    static void say(const std::string& what, const std::string& why) {
        std::fprintf(stderr, "websocket_case_client: %s: %s\n", what.c_str(), why.c_str());
    }

    boost::asio::awaitable<EchoLine::Outcome> converse(const std::string& target, bool echoes) {
        net::ConnectOptions options;
        options.host = url_.host;
        options.port = url_.port;
        options.tls = tls_;
        Result<std::unique_ptr<ports::Stream>> stream = co_await net::connect(std::move(options));
        if (!stream) {
            co_return EchoLine::Outcome{.failure = stream.error().message};
        }
        websocket::ClientOffer offer;
        offer.host = url_.authority();
        offer.target = url_.target + target;
        offer.deflate.enabled = true;
        offer.deflate.context_takeover = takeover;
        EchoLine line(io_, *std::move(stream), std::move(offer), entropy_, echoes);
        co_return co_await line.run();
    }

    boost::asio::io_context& io_;
    http::Url url_;
    std::shared_ptr<net::TlsContext> tls_;
    system::SystemEntropy entropy_;
};

int failed(const Error& error) {
    std::fprintf(stderr, "websocket_case_client: %s\n", error.message.c_str());
    return 1;
}

int run(const std::string& text, const net::ClientTlsOptions& tls_options, bool verbose,
        bool takeover) {
    const Result<http::Url> url = http::parse_url(text);
    if (!url) {
        return failed(url.error());
    }
    std::shared_ptr<net::TlsContext> tls;
    if (url->scheme == "wss" || url->scheme == "https") {
        auto context = net::TlsContext::client(tls_options);
        if (!context) {
            return failed(context.error());
        }
        tls = *std::move(context);
    }
    boost::asio::io_context io;
    CaseClient client(io, *url, std::move(tls));
    client.verbose = verbose;
    client.takeover = takeover;
    int result = 1;
    boost::asio::co_spawn(io, client.run(),
                          [&result](std::exception_ptr, int code) { result = code; });
    io.run();
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    std::string url = "ws://127.0.0.1:9001";
    std::string ca_file;
    net::ClientTlsOptions tls;
    bool insecure = false;
    bool verbose = false;
    bool takeover = false;
    CLI::App line{"Runs all cases of a WebSocket fuzzing server, as agent holdfast."};
    line.add_option("url", url, "of the fuzzing server")->capture_default_str();
    line.add_option("--ca-file", ca_file, "PEM; the roots that are trusted");
    line.add_flag("--insecure", insecure, "trust any certificate");
    line.add_flag("--verbose", verbose, "say of each case why it did not end cleanly");
    line.add_flag("--deflate-takeover", takeover,
                  "offer deflate with contexts that outlive a message");
    CLI11_PARSE(line, argc, argv);
    tls.ca_file = ca_file;
    tls.verify = !insecure;
    return run(url, tls, verbose, takeover);
}
