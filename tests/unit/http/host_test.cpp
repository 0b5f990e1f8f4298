#include "http/host.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fwctl::http {
namespace {

const std::vector<std::string> kNames = {"fw1.example.net"};

TEST(HostTest, NamesOfThisHost) {
    for (const char* host : {"localhost", "LOCALHOST:9105", "10.9.0.2", "10.9.0.2:9105", "10.9.0.2:80",
                             "fw1.example.net", "FW1.Example.NET:9105"})
        EXPECT_TRUE(is_own_host(host, "10.9.0.2", kNames)) << host;
    for (const char* host : {"[fd00:9::2]", "[fd00:9:0:0::2]:9105", "localhost:1", "fw1.example.net"})
        EXPECT_TRUE(is_own_host(host, "fd00:9::2", kNames)) << host;
}

TEST(HostTest, ForeignOnes) {
    for (const char* host :
         {"", "evil.example", "evil.example:9105", "10.9.0.3", "10.9.0.20", "10.9.0.2.evil.example",
          "fw1.example.net.evil.example", "localhost.evil.example", "localhost:", "localhost:x",
          "localhost:9:9", "[10.9.0.2]x", "[", "[]", "[fd00:9::2", "fd00:9::2", "10.9.0.2 ", " localhost",
          "local\nhost"})
        EXPECT_FALSE(is_own_host(host, "10.9.0.2", kNames)) << host;
    EXPECT_FALSE(is_own_host("[fd00:9::3]", "fd00:9::2", {}));
    EXPECT_FALSE(is_own_host("fw1.example.net", "fd00:9::2", {}));
}

TEST(HostTest, WhatANameMayBe) {
    EXPECT_TRUE(is_host_name("fw1.example.net"));
    EXPECT_TRUE(is_host_name("fw-1"));
    EXPECT_TRUE(is_host_name(std::string(253, 'a')));
    for (const std::string& name : {std::string(), std::string("fw1:9105"), std::string("*"),
                                    std::string("a b"), std::string("a/b"), std::string(254, 'a')})
        EXPECT_FALSE(is_host_name(name)) << name;
}

}  // namespace
}  // namespace fwctl::http
