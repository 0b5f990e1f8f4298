// What `fwctl agent` and `fwctl page` were asked for, as they hand it to the programs that they become:
// checked there, read here.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fwctl {

struct ServerSettings {
    std::string socket;               // of the agent, a path; empty: engine::agent_socket()
    std::string group;                // that may use it, by name; empty: none
    std::vector<std::string> listen;  // net::parse_endpoint() reads them
    std::vector<std::string> hosts;   // that requests may call this host
    bool operator==(const ServerSettings&) const = default;

    [[nodiscard]] std::vector<std::string> words() const {
        std::vector<std::string> all = {"socket=" + socket, "group=" + group};
        for (const std::string& one : listen) all.push_back("listen=" + one);
        for (const std::string& one : hosts) all.push_back("host=" + one);
        return all;
    }

    // Of words().
    static ServerSettings of(std::span<const char* const> words) {
        ServerSettings settings;
        for (const std::string_view word : words) {
            const std::size_t end = word.find('=');
            const std::string_view key = word.substr(0, end);
            const std::string value(end == std::string_view::npos ? "" : word.substr(end + 1));
            if (key == "socket") settings.socket = value;
            if (key == "group") settings.group = value;
            if (key == "listen") settings.listen.push_back(value);
            if (key == "host") settings.hosts.push_back(value);
        }
        return settings;
    }
};

}  // namespace fwctl
