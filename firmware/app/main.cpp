#include <cstdio>
#include <filesystem>
#include <string>

#include <CLI/CLI.hpp>

#include "firmware/app/commands.h"
#include "firmware/node/node.h"

namespace {

namespace app = holdfast::app;

constexpr const char* kDefaultConfig = "/etc/holdfast/holdfast.toml";

CLI::Option* config_option(CLI::App* command, std::string& file) {
    return command->add_option("--config", file, "configuration file (TOML)")
        ->default_val(kDefaultConfig);
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App line{"Holdfast: every reading arrives upstream, once, in order, with its right time."};
    line.require_subcommand(1);
    line.set_help_all_flag("--help-all", "help of all commands");
    int result = 0;

    std::string address = "127.0.0.1:8080";
    std::string directory = (std::filesystem::temp_directory_path() / "holdfast-demo").string();
    CLI::App* demo = line.add_subcommand(
        "demo", "hub and gateway in one process, with this machine's sensors and a page");
    demo->add_option("--address", address, "where the page is")->capture_default_str();
    demo->add_option("--directory", directory, "where hub and gateway keep their journals")
        ->capture_default_str();
    demo->callback([&] { result = app::demo(address, directory); });

    std::string config;
    CLI::App* run = line.add_subcommand("run", "run the node that the configuration describes");
    config_option(run, config);
    run->callback([&] { result = app::run(config); });

    CLI::App* check =
        line.add_subcommand("check", "read the configuration and say what is wrong with it");
    config_option(check, config);
    check->callback([&] { result = app::check(config); });

    line.add_subcommand("sensors", "list what can be read here, with current values")
        ->callback([&] { result = app::list_sensors(); });

    bool json = false;
    CLI::App* status = line.add_subcommand("status", "ask the running node how it is");
    config_option(status, config);
    status->add_flag("--json", json, "one JSON object, for scripts");
    status->callback([&] { result = app::status(config, json); });

    CLI::App* token = line.add_subcommand("token", "device tokens of a hub");
    token->require_subcommand(1);
    std::string device;
    bool relay = false;
    CLI::App* create =
        token->add_subcommand("create", "make a token for a device and print it, this once");
    config_option(create, config);
    create->add_option("--device", device, "the device's node.id")->required();
    create->add_flag("--relay", relay, "a site gateway: it may also carry other devices' readings");
    create->callback([&] { result = app::token_create(config, device, relay); });
    CLI::App* list = token->add_subcommand("list", "list who has a token");
    config_option(list, config);
    list->callback([&] { result = app::token_list(config); });
    CLI::App* revoke =
        token->add_subcommand("revoke", "take all tokens of a device back; its line ends at once");
    config_option(revoke, config);
    revoke->add_option("--device", device, "the device's node.id")->required();
    revoke->callback([&] { result = app::token_revoke(config, device); });

    line.add_subcommand("version", "print the version")->callback([] {
        std::puts(holdfast::node::kSoftware);
    });

    CLI11_PARSE(line, argc, argv);
    return result;
}
