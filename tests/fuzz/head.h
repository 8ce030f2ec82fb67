#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "firmware/base/check.h"
#include "firmware/http/syntax.h"

namespace holdfast::fuzz {

/// A head read a second time, by the plainest of means: lines, and what stands before and behind
/// the first colon of each. Only for heads that our reader took.
class Head {
public:
    explicit Head(std::string_view text) {
        while (text.starts_with("\r\n")) {
            text.remove_prefix(2);
        }
        first_ = next_line(text);
        for (std::string_view line = next_line(text); !line.empty(); line = next_line(text)) {
            const std::size_t colon = line.find(':');
            HOLDFAST_CHECK(colon != std::string_view::npos);
            fields_.emplace_back(line.substr(0, colon), http::trim(line.substr(colon + 1)));
        }
    }

    [[nodiscard]] std::string_view first_line() const { return first_; }
    /// The value of the only field of that name; "" if there is none or more than one.
    [[nodiscard]] std::string only(std::string_view name) const {
        const std::vector<std::string> values = all(name);
        return values.size() == 1 ? values[0] : "";
    }
    /// All values of that name, as one list.
    [[nodiscard]] std::string list(std::string_view name) const {
        std::string out;
        for (const std::string& value : all(name)) {
            out += value + ",";
        }
        return out;
    }
    [[nodiscard]] bool lists(std::string_view name, std::string_view token) const {
        bool found = false;
        http::for_each_element(list(name), [&](std::string_view element) {
            found = found || http::equal_without_case(element, token);
        });
        return found;
    }

private:
    [[nodiscard]] std::vector<std::string> all(std::string_view name) const {
        std::vector<std::string> values;
        for (const auto& [key, value] : fields_) {
            if (http::equal_without_case(key, name)) {
                values.push_back(value);
            }
        }
        return values;
    }
    static std::string_view next_line(std::string_view& text) {
        const std::size_t end = text.find("\r\n");
        HOLDFAST_CHECK(end != std::string_view::npos);
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end + 2);
        return line;
    }

    std::string_view first_;
    std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace holdfast::fuzz
