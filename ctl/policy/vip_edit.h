// Live edits of balanced services: pure, on values.
//
// Promises: an edit that cannot be done leaves the list as it was; its error, with Exit::kUsage where not
// said otherwise, names what there is or what is accepted. A result is whether anything changed: to ask for
// what is so already is no error.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/model.h"

namespace fwctl::policy {

// What a vip is made of, each word as the policy's key of that name takes it; commas part words, too.
struct VipWords {
    std::string name;
    std::vector<std::string> addresses;
    std::vector<std::string> services;
    std::string forward;
    std::vector<std::string> backends;  // "web1=10.0.0.11,2001:db8::11*2"
    std::string announce = {};          // empty: not named
};
Result<Vip> vip_from_words(const VipWords& words);

// "web/web1".
struct BackendPath {
    std::string vip;
    std::string backend;
};
Result<BackendPath> parse_backend_path(const std::string& path);

// A backend as it is named on the command line; weight and port are empty where none was named.
struct BackendWords {
    std::string name;
    std::vector<std::string> addresses;
    std::string weight;
    std::string port;
};
Result<Backend> backend_from_words(const BackendWords& words);

// An error with Exit::kConflict when another one has the name, or would balance the same packets.
Result<bool> add_vip(std::vector<Vip>& vips, Vip vip);
Status remove_vip(std::vector<Vip>& vips, const std::string& name);
Result<bool> enable_vip(std::vector<Vip>& vips, const std::string& name, bool enabled);

// An error with Exit::kConflict when another one of the vip has the name or one of the addresses.
Result<bool> add_backend(std::vector<Vip>& vips, const std::string& vip, Backend backend);
Status remove_backend(std::vector<Vip>& vips, const BackendPath& path);
Result<bool> set_backend_weight(std::vector<Vip>& vips, const BackendPath& path, const std::string& weight);
Result<bool> set_backend_state(std::vector<Vip>& vips, const BackendPath& path, BackendState state);

Result<Vip*> find_vip(std::vector<Vip>& vips, const std::string& name);
Result<Backend*> find_backend(std::vector<Vip>& vips, const BackendPath& path);

// What several vips or backends together cannot be, as check_vips() says of files: an error with
// Exit::kConflict.
Status check_together(const std::vector<Vip>& vips);

}  // namespace fwctl::policy
