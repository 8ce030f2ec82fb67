#pragma once

#include <functional>
#include <string_view>
#include <utility>

#include "firmware/ports/log.h"

namespace holdfast::simulated {

/// Gives what a node tells people to whoever wants to know.
class Log final : public ports::Log {
public:
    using Write = std::function<void(Level, std::string_view)>;
    /// null: nobody wants to.
    explicit Log(Write write = nullptr) : write_(std::move(write)) {}

    void write(Level level, std::string_view message) override {
        if (write_) {
            write_(level, message);
        }
    }

private:
    Write write_;
};

}  // namespace holdfast::simulated
