#include "firmware/app/config_section.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fcntl.h>
#include <numeric>
#include <optional>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "firmware/base/text.h"
#include "firmware/http/syntax.h"

namespace holdfast::app {
namespace {

/// How many single characters one must insert, delete or change to get from `a` to `b`
/// (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, diagonal + 1, row[j] + 1});
        }
    }
    return row.back();
}

/// "256" or "1.5", as people write who forget the unit.
bool is_bare_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos &&
           text.front() != '.' && text.back() != '.' && std::ranges::count(text, '.') <= 1;
}

/// The text of a quantity's node: a string as it is, a number as it was meant.
std::optional<std::string> quantity_text(const toml::node& node) {
    if (const auto text = node.value_exact<std::string>()) {
        return text;
    }
    if (const auto whole = node.value_exact<std::int64_t>()) {
        return std::to_string(*whole);
    }
    if (const auto real = node.value_exact<double>(); real && std::isfinite(*real)) {
        std::string text = std::to_string(*real);
        text.erase(text.find_last_not_of('0') + 1);
        return text.ends_with('.') ? text + "0" : text;
    }
    return std::nullopt;
}

/// For one line of a terminal: control characters as TOML writes them.
std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\n') {
            out += "\\n";
        } else if (http::is_control(c)) {
            const std::array byte{static_cast<std::byte>(c)};
            out += "\\u00" + to_hex(byte);
        } else {
            out += c;
        }
    }
    return out;
}

std::string range_sentence(std::string_view value, std::string_view least, std::string_view most) {
    return std::string(value) + " is out of range; from " + std::string(least) + " to " +
           std::string(most) + " is possible";
}

}  // namespace

void Problems::add(std::uint32_t line, std::string_view key, std::string_view sentence) {
    std::string text = file_ + ":" + std::to_string(line) + ": ";
    if (!key.empty()) {
        text.append(printable(key)).append(": ");
    }
    list_.emplace_back(line, text.append(printable(sentence)));
}

std::string Problems::text() const {
    auto sorted = list_;
    std::ranges::stable_sort(sorted, {}, &std::pair<std::uint32_t, std::string>::first);
    std::string out;
    for (const auto& [line, text] : sorted) {
        out.append(out.empty() ? "" : "\n").append(text);
    }
    return out;
}

std::string suggestion(std::string_view wrong, const std::vector<std::string_view>& candidates,
                       char open, char close) {
    std::string all;
    std::string_view best;
    std::size_t best_distance = wrong.size() / 3 + 1;
    for (const std::string_view candidate : candidates) {
        all.append(all.empty() ? "" : ", ").append(1, open).append(candidate).append(1, close);
        if (const std::size_t steps = distance(wrong, candidate); steps <= best_distance) {
            best_distance = steps - 1;
            best = candidate;
        }
    }
    if (!best.empty()) {
        return "; did you mean " + std::string(1, open) + std::string(best) + close + "?";
    }
    return all.empty() ? "" : "; there are " + all;
}

const toml::node* Section::find(std::string_view key) {
    if (std::ranges::find(known_, key) == known_.end()) {
        known_.push_back(key);
    }
    return table_.get(key);
}

std::uint32_t Section::line(std::string_view key) const {
    const toml::node* node = key.empty() ? nullptr : table_.get(key);
    const std::uint32_t found = (node != nullptr ? node->source() : table_.source()).begin.line;
    return std::max(found, std::uint32_t{1});
}

void Section::problem(std::string_view key, std::string_view sentence) {
    problems_.add(line(key), name_ + "." + std::string(key), sentence);
}

bool Section::wrong_type(std::string_view key, const toml::node& node, std::string_view expected,
                         std::string_view example) {
    problem(key, "is " + std::string(type_name(node)) + "; " + std::string(expected) +
                     " is expected, as in " + std::string(example));
    return false;
}

bool Section::text(std::string_view key, std::string& out, std::string_view example) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return false;
    }
    auto text = node->value_exact<std::string>();
    if (!text) {
        return wrong_type(key, *node, "a string", example);
    }
    if (text->empty()) {
        problem(key, "is empty; write it like " + std::string(example));
        return false;
    }
    out = std::move(*text);
    return true;
}

bool Section::texts(std::string_view key, std::vector<std::string>& out, std::string_view example) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return false;
    }
    const toml::array* array = node->as_array();
    if (array == nullptr) {
        return wrong_type(key, *node, "an array of strings", example);
    }
    std::vector<std::string> texts;
    for (const toml::node& element : *array) {
        auto text = element.value_exact<std::string>();
        if (!text) {
            problems_.add(std::max(element.source().begin.line, std::uint32_t{1}),
                          name_ + "." + std::string(key),
                          "holds " + std::string(type_name(element)) +
                              "; an array of strings is expected, as in " + std::string(example));
            return false;
        }
        texts.push_back(std::move(*text));
    }
    out = std::move(texts);
    return true;
}

bool Section::path(std::string_view key, std::filesystem::path& out, std::string_view example) {
    std::string path;
    if (!text(key, path, example)) {
        return false;
    }
    out = std::move(path);
    return true;
}

bool Section::file(std::string_view key, std::filesystem::path& out, std::string_view example) {
    if (!path(key, out, example)) {
        return false;
    }
    const std::string why = why_unreadable(out);
    if (!why.empty()) {
        problem(key, why);
    }
    return why.empty();
}

bool Section::duration(std::string_view key, Duration& out, Duration least, Duration most,
                       std::string_view word) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return false;
    }
    const auto text = quantity_text(*node);
    if (!text) {
        return wrong_type(key, *node, "a duration", "\"25 s\"");
    }
    if (is_bare_number(*text)) {
        problem(key, (node->is_string() ? in_quotes(*text) : *text) + " has no unit; write it as " +
                         in_quotes(*text + " s"));
        return false;
    }
    const auto duration = parse_duration(*text);
    if (!duration) {
        problem(key, duration.error().message + (word.empty() ? "" : ", or " + in_quotes(word)));
        return false;
    }
    if (*duration < least || *duration > most) {
        problem(key, range_sentence(in_quotes(*text), in_quotes(format_duration(least)),
                                    in_quotes(format_duration(most))));
        return false;
    }
    out = *duration;
    return true;
}

bool Section::size(std::string_view key, std::uint64_t& out, std::uint64_t least,
                   std::uint64_t most) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return false;
    }
    const auto text = quantity_text(*node);
    if (!text) {
        return wrong_type(key, *node, "a size", "\"256 MiB\"");
    }
    if (is_bare_number(*text)) {
        problem(key, (node->is_string() ? in_quotes(*text) : *text) + " has no unit; write it as " +
                         in_quotes(*text + " MiB"));
        return false;
    }
    const auto size = parse_size(*text);
    if (!size) {
        problem(key, size.error().message);
        return false;
    }
    if (*size < least || *size > most) {
        problem(key, range_sentence(in_quotes(*text), in_quotes(format_size(least)),
                                    in_quotes(format_size(most))));
        return false;
    }
    out = *size;
    return true;
}

bool Section::count(std::string_view key, std::uint64_t& out, std::uint64_t least,
                    std::uint64_t most) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return false;
    }
    const auto number = node->value_exact<std::int64_t>();
    if (!number) {
        return wrong_type(key, *node, "an integer", std::to_string(out));
    }
    if (*number < 0 || static_cast<std::uint64_t>(*number) < least ||
        static_cast<std::uint64_t>(*number) > most) {
        problem(key, range_sentence(std::to_string(*number), std::to_string(least),
                                    std::to_string(most)));
        return false;
    }
    out = static_cast<std::uint64_t>(*number);
    return true;
}

bool Section::number(std::string_view key, double& out) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return false;
    }
    if (!node->is_number()) {
        return wrong_type(key, *node, "a number", "0.5");
    }
    const double number = node->value<double>().value_or(0);
    if (!std::isfinite(number) || number < 0) {
        problem(key, "must be a number from 0 on");
        return false;
    }
    out = number;
    return true;
}

bool Section::boolean(std::string_view key, bool& out) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return false;
    }
    const auto value = node->value_exact<bool>();
    if (!value) {
        return wrong_type(key, *node, "a boolean", "true");
    }
    out = *value;
    return true;
}

bool Section::choice(std::string_view key, std::size_t& out,
                     std::initializer_list<std::string_view> choices) {
    std::string chosen;
    if (!text(key, chosen, in_quotes(*choices.begin()))) {
        return false;
    }
    const auto* found = std::ranges::find(choices, chosen);
    if (found == choices.end()) {
        problem(key, in_quotes(chosen) + " is unknown" + suggestion(chosen, choices));
        return false;
    }
    out = static_cast<std::size_t>(found - choices.begin());
    return true;
}

bool Section::is(std::string_view key, std::string_view value) {
    const toml::node* node = find(key);
    return node != nullptr && node->value_exact<std::string>() == std::string(value);
}

void Section::finish() {
    for (const auto& [key, node] : table_) {
        if (std::ranges::find(known_, key.str()) == known_.end()) {
            problems_.add(std::max(key.source().begin.line, std::uint32_t{1}),
                          name_ + "." + std::string(key.str()),
                          "unknown key" + suggestion(key.str(), known_));
        }
    }
}

std::string why_unreadable(const std::filesystem::path& file) {
    const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return in_quotes(file.native()) + " is not there";
        }
        return in_quotes(file.native()) +
               " cannot be read: " + std::generic_category().message(errno);
    }
    struct stat status{};
    const bool directory = fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode);
    close(descriptor);
    return directory ? in_quotes(file.native()) + " is a directory; a file is expected" : "";
}

std::string format_size(std::uint64_t bytes) {
    constexpr std::array<std::string_view, 5> kUnits{" B", " KiB", " MiB", " GiB", " TiB"};
    std::size_t unit = 0;
    while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < kUnits.size()) {
        bytes /= 1024;
        ++unit;
    }
    return std::to_string(bytes).append(kUnits.at(unit));
}

std::string in_quotes(std::string_view text) {
    return "\"" + std::string(text) + "\"";
}

std::string_view type_name(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::none:
            return "nothing";
        case toml::node_type::table:
            return "a table";
        case toml::node_type::array:
            return "an array";
        case toml::node_type::string:
            return "a string";
        case toml::node_type::integer:
            return "an integer";
        case toml::node_type::floating_point:
            return "a number with a fraction";
        case toml::node_type::boolean:
            return "a boolean";
        case toml::node_type::date:
            return "a date";
        case toml::node_type::time:
            return "a time of day";
        case toml::node_type::date_time:
            return "a date and time";
    }
    return "something else";
}

}  // namespace holdfast::app
