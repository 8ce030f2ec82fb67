#include "firmware/app/token_file.h"

#include "firmware/node/tokens_file.h"
#include "platform/system/files.h"

namespace holdfast::app {

std::filesystem::path token_file(const std::filesystem::path& data_dir) {
    return node::token_file(data_dir);
}

Result<hub::TokenTable> load_tokens(const std::filesystem::path& data_dir) {
    system::SystemFiles files;
    return node::load_tokens(files, data_dir);
}

Result<void> save_tokens(const std::filesystem::path& data_dir, const hub::TokenTable& table) {
    return system::replace_file(token_file(data_dir), table.to_text());
}

}  // namespace holdfast::app
