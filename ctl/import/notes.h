// What is different in fwctl whatever the rules say, in sentences for the top of a translated policy.
#pragma once

#include <string>
#include <vector>

namespace fwctl::importer {

struct Differences {
    bool is_of_host = false;      // rules are about what the host itself receives and sends
    bool leaves_forward = false;  // rules about what is forwarded are left out
    bool is_whole = false;        // rules see datagrams put together
    bool has_ip = false;          // IPv4 is judged
    bool has_ip6 = false;
    bool follows = false;       // rules ask for the state of flows
    std::string other_version;  // what to translate for the IP version that is not judged
};

std::vector<std::string> notes_on(const Differences& differences);

}  // namespace fwctl::importer
