#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Our own code has no use for the parser's exceptions, nor the program for its printers.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// Some malformed files break what the parser asserts, which then finds the mistake all the same.
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>

#include "firmware/base/clock.h"

namespace holdfast::app {

/// What is wrong with a configuration, by line, to be told all at once.
class Problems {
public:
    explicit Problems(std::string file) : file_(std::move(file)) {}

    void add(std::uint32_t line, std::string_view key, std::string_view sentence);
    [[nodiscard]] bool empty() const { return list_.empty(); }
    /// "FILE:LINE: KEY: SENTENCE", a line each, in the order of the file.
    [[nodiscard]] std::string text() const;

private:
    std::string file_;
    std::vector<std::pair<std::uint32_t, std::string>> list_;
};

/// ", did you mean …" or ", there are …": what a person who wrote `wrong` may have meant. Empty
/// without candidates.
[[nodiscard]] std::string suggestion(std::string_view wrong,
                                     const std::vector<std::string_view>& candidates,
                                     char open = '"', char close = '"');

/// One table of the file. Each call reads one key into `out`, which keeps its value (the default)
/// if the key is absent or wrong; what is wrong goes into `problems`. True: the key was there and
/// right. `finish` then finds the keys that nobody asked for. Borrows the table and the problems.
class Section {
public:
    Section(const toml::table& table, std::string name, Problems& problems)
        : table_(table), name_(std::move(name)), problems_(problems) {}

    bool text(std::string_view key, std::string& out, std::string_view example);
    bool texts(std::string_view key, std::vector<std::string>& out, std::string_view example);
    bool path(std::string_view key, std::filesystem::path& out, std::string_view example);
    /// As `path`, and the file must be there and readable.
    bool file(std::string_view key, std::filesystem::path& out, std::string_view example);
    bool duration(std::string_view key, Duration& out, Duration least, Duration most);
    bool size(std::string_view key, std::uint64_t& out, std::uint64_t least, std::uint64_t most);
    bool count(std::string_view key, std::uint64_t& out, std::uint64_t least, std::uint64_t most);
    bool number(std::string_view key, double& out);
    bool boolean(std::string_view key, bool& out);
    /// The index of the text among `choices`.
    bool choice(std::string_view key, std::size_t& out,
                std::initializer_list<std::string_view> choices);
    /// True: `key` is the text `value`, which this version knows to refuse.
    bool refuses(std::string_view key, std::string_view value, std::string_view sentence);
    /// A key that this version knows to refuse.
    void unsupported(std::string_view key, std::string_view sentence);

    [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }
    /// The line of `key`, or of the section if the key is absent.
    [[nodiscard]] std::uint32_t line(std::string_view key = {}) const;
    void problem(std::string_view key, std::string_view sentence);
    void finish();

private:
    /// The node of `key`, remembered as known; nullptr: absent.
    const toml::node* find(std::string_view key);
    bool wrong_type(std::string_view key, const toml::node& node, std::string_view expected,
                    std::string_view example);

    const toml::table& table_;
    std::string name_;
    Problems& problems_;
    std::vector<std::string_view> known_;
    std::vector<std::string_view> refused_;
};

/// "" if `file` can be opened for reading, else what is wrong with it: "… is not there".
[[nodiscard]] std::string why_unreadable(const std::filesystem::path& file);

/// As the files of configuration write it: "256 MiB".
[[nodiscard]] std::string format_size(std::uint64_t bytes);
[[nodiscard]] std::string in_quotes(std::string_view text);
/// "an integer", "a string".
[[nodiscard]] std::string_view type_name(const toml::node& node);

}  // namespace holdfast::app
