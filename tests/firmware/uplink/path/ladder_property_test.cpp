#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

#include "firmware/uplink/path/ladder.h"
#include "tests/stride.h"

using namespace holdfast;
using namespace holdfast::uplink;
using namespace std::chrono_literals;

namespace {

std::uint64_t from_environment(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// A ladder among networks on which some paths work, some do not, and that changes.
class Wanderer {
public:
    explicit Wanderer(std::uint64_t seed) : random_(seed) {
        options_.proxy = chance(50);
        for (const bool proxied : {true, false}) {
            for (const Transport transport :
                 {Transport::websocket, Transport::xhr_streaming, Transport::xhr}) {
                if (options_.proxy || !proxied) {
                    paths_.push_back({proxied, transport});
                }
            }
        }
        ladder_ = Ladder(options_);
        home_ = paths_.front();
        change();
    }

    /// "" or what went wrong.
    std::string live() {
        for (int step = 0; step < 300 && wrong_.empty(); ++step) {
            if (chance(5)) {
                const Path worked = paths_[below(paths_.size())];
                const bool known = chance(50);
                ladder_.on_network(known ? std::optional(worked) : std::nullopt);
                home_ = known ? worked : paths_.front();
                require(ladder_.path() == home_, "another network begins elsewhere");
                begin_round();
                patience_ = options_.patience_min;
            }
            if (chance(10)) {
                change();
            }
            if (works(ladder_.path())) {
                be_up();
            } else {
                fail_once();
            }
        }
        return wrong_;
    }

private:
    std::size_t below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }
    bool chance(unsigned percent) { return random_() % 100 < percent; }
    void require(bool holds, const std::string& otherwise) {
        if (!holds && wrong_.empty()) {
            wrong_ = otherwise + ", at " + name(ladder_.path());
        }
    }
    std::size_t place(Path path) const {
        return static_cast<std::size_t>(std::ranges::find(paths_, path) - paths_.begin());
    }

    void change() {
        route_down_ = {chance(30), chance(30)};
        blocked_.clear();
        for (const Path& each : paths_) {
            blocked_[place(each)] = chance(50);
        }
        hub_refuses_ = chance(10);
        // What was tried before may work now: a round tells about one state of the world only.
        complete_ = false;
    }
    bool route_up(Path path) const { return !route_down_[path.proxied ? 1 : 0]; }
    bool works(Path path) { return route_up(path) && !blocked_[place(path)] && !hub_refuses_; }

    void begin_round() {
        tried_.clear();
        ruled_out_.clear();
        complete_ = true;
    }

    void fail_once() {
        const Path path = ladder_.path();
        const std::size_t at = place(path);
        const Trouble trouble = !route_up(path) ? Trouble::route
                                : blocked_[at]  ? Trouble::transport
                                                : Trouble::hub;
        require(!tried_.contains(at), "tried twice in a round");
        require(!ruled_out_.contains(at), "tried without a route");
        tried_[at] = true;
        if (trouble == Trouble::route) {
            for (std::size_t index = 0; index < paths_.size(); ++index) {
                if (paths_[index].proxied == path.proxied) {
                    ruled_out_[index] = true;
                }
            }
        }
        if (chance(30)) {
            fail_beside(trouble);
        }
        const bool last = round_is_over();
        const std::optional<Path> beside = ladder_.beside();
        require(!beside || !last || trouble == Trouble::route, "a path beside the last one");
        const Duration patience = ladder_.patience(trouble);
        require(patience >= options_.patience_min && patience <= options_.patience_max,
                "patience out of bounds");
        require(patience == (last || trouble == Trouble::hub ? options_.patience_max : patience_),
                "wrong patience");
        const bool more = ladder_.failed(trouble);
        if (trouble == Trouble::hub) {
            require(!more && ladder_.path() == path, "left a path that the hub answered on");
            begin_round();
            return;
        }
        require(more != last, more ? "a round without end" : "a round that ended early");
        if (more) {
            require(!beside || trouble == Trouble::route || ladder_.path() == *beside,
                    "what was beside it does not follow");
            const std::size_t next = place(ladder_.path());
            for (std::size_t better = 0; better < next; ++better) {
                require(tried_.contains(better) || ruled_out_.contains(better),
                        "passed over a better path");
            }
            return;
        }
        if (complete_) {
            for (const Path& each : paths_) {
                require(!works(each), "a round ended without what works: " + name(each));
            }
        }
        require(ladder_.path() == home_, "a round does not begin at home");
        patience_ = std::min(patience_ * 2, options_.patience_max);
        begin_round();
    }

    /// The path that is tried beside it fails as well, before it.
    void fail_beside(Trouble trouble) {
        const std::optional<Path> beside = ladder_.beside();
        if (!beside || trouble == Trouble::route || works(*beside)) {
            return;
        }
        const std::size_t at = place(*beside);
        require(!tried_.contains(at) && !ruled_out_.contains(at), "tried twice, beside another");
        tried_[at] = true;
        ladder_.beside_failed(Trouble::transport);
    }

    bool round_is_over() const {
        for (std::size_t index = 0; index < paths_.size(); ++index) {
            if (!tried_.contains(index) && !ruled_out_.contains(index)) {
                return false;
            }
        }
        return true;
    }

    /// A line lives for a while, its better paths are tried, and the line moves.
    void be_up() {
        arrive();
        for (std::size_t n = below(8); n > 0; --n) {
            const bool best = ladder_.path() == paths_.front();
            require((ladder_.deadline() == kNever) == best, "trials on the best path, or none");
            if (best) {
                break;
            }
            require(ladder_.deadline() <= now_ + options_.trial_max, "a trial that is too late");
            now_ = std::max(now_, ladder_.deadline());
            const std::optional<bool> moved = try_better();
            if (!moved) {
                break;
            }
            if (*moved) {
                arrive();
            }
        }
        ladder_.line_ended();
        require(ladder_.deadline() == kNever, "a trial without a line");
        begin_round();
    }

    void arrive() {
        home_ = ladder_.path();
        (void)ladder_.worked(now_);
        patience_ = options_.patience_min;
        require(!ladder_.worked(now_), "news twice");
    }

    /// All better paths, best first, until one works; true: the line moves there. nullopt: it ends
    /// in the middle of a trial.
    std::optional<bool> try_better() {
        const std::size_t at = place(ladder_.path());
        for (std::size_t better = 0; better < at; ++better) {
            const std::optional<Path> trial = ladder_.trial_due(now_);
            require(trial == paths_[better], "not the next better path");
            require(!ladder_.trial_due(now_), "two trials at a time");
            if (!wrong_.empty()) {
                return false;
            }
            if (chance(5)) {
                return std::nullopt;
            }
            const bool passed = works(*trial);
            ladder_.trial_ended(passed, now_);
            require(ladder_.path() == paths_[passed ? better : at], "not where the line is");
            if (passed) {
                return true;
            }
        }
        require(ladder_.deadline() > now_, "trials without a pause");
        return false;
    }

    std::mt19937_64 random_;
    LadderOptions options_;
    std::vector<Path> paths_;
    Ladder ladder_{LadderOptions{}};
    Instant now_{1000s};
    std::string wrong_;

    std::array<bool, 2> route_down_{};
    std::map<std::size_t, bool> blocked_;
    bool hub_refuses_ = false;

    Path home_{};
    Duration patience_ = LadderOptions{}.patience_min;
    std::map<std::size_t, bool> tried_;
    std::map<std::size_t, bool> ruled_out_;
    bool complete_ = false;  ///< the world has not changed in this round
};

}  // namespace

TEST_GROUP(LadderProperty){};

TEST(LadderProperty, each_path_is_tried_once_a_round_whatever_happens) {
    const std::uint64_t first = from_environment("HOLDFAST_FIRST_SEED", 1);
    const std::uint64_t seeds = from_environment("HOLDFAST_SEEDS", 2000);
    for (std::uint64_t seed = first; seed < first + seeds; seed += kStride) {
        const std::string wrong = Wanderer(seed).live();
        if (!wrong.empty()) {
            std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), wrong.c_str());
            FAIL("a round went wrong");
        }
    }
}
