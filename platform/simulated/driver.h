#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "firmware/ports/driver.h"

namespace holdfast::simulated {

/// A sensor that finds what it is told to find.
class Driver final : public ports::Driver {
public:
    using Script = std::function<Result<void>(std::vector<ports::Sample>& out)>;
    explicit Driver(Script script) : script_(std::move(script)) {}

    [[nodiscard]] Result<void> sample(std::vector<ports::Sample>& out) override {
        return script_(out);
    }

private:
    Script script_;
};

}  // namespace holdfast::simulated
