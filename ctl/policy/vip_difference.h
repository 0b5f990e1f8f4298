// What changes of balanced services from one policy to another, in words: the part of difference() that is
// about them.
#pragma once

#include <string>
#include <vector>

#include "policy/model.h"

namespace fwctl::policy {

// "+ vip web: tcp/80 to 203.0.113.10 by l2-dsr over 2 backends", "- vip old: …", and a line for each setting
// and each backend that changes: "~ vip web: transition 10m -> 1h", "~ vip web: + backend web3: 10.0.0.13",
// "~ vip web: backend web1 weight 1 -> 2, state ready -> drain".
void add_vips(const Policy& before, const Policy& after, std::vector<std::string>& lines);

// "~ decapsulate: from none -> 10.0.0.0/24".
void add_decapsulate(const Decapsulate& before, const Decapsulate& after, std::vector<std::string>& lines);

}  // namespace fwctl::policy
