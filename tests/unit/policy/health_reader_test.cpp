#include "policy/health_reader.h"

#include <gtest/gtest.h>

#include <string>

#include "read_text.h"

namespace fwctl::policy {
namespace {

using std::chrono::milliseconds;

const std::string kVip =
    "[vip.web]\n"
    "address = \"203.0.113.10\"\n"
    "service = [\"tcp/80\", \"tcp/443\"]\n"
    "forward = \"l2-dsr\"\n"
    "backend = [{ name = \"a\", address = \"10.0.0.1\" }]\n";

Health health_of(const std::string& keys) {
    return policy_of(kVip + ("health = { " + keys + " }\n")).vips.at(0).health;
}

TEST(HealthReader, ReadsEveryKeyOfHttp) {
    const Health read = health_of(
        "http = \"/healthz?deep=1\", host = \"www.example.org\", status = [404, \"200-299\", \"204\"], "
        "body = \"all is well\", port = 8080, every = \"1m30s\", timeout = \"2s500ms\", rise = 1, fall = "
        "100");
    Health wanted;
    wanted.kind = HealthKind::kHttp;
    wanted.path = "/healthz?deep=1";
    wanted.host = "www.example.org";
    wanted.statuses = {{200, 299}, {404, 404}};
    wanted.body = "all is well";
    wanted.port = 8080;
    wanted.every = milliseconds(90'000);
    wanted.timeout = milliseconds(2500);
    wanted.rise = 1;
    wanted.fall = 100;
    EXPECT_EQ(read, wanted);
}

TEST(HealthReader, ReadsEveryKindAndKnowsWhatAbsenceMeans) {
    Health wanted;
    EXPECT_EQ(policy_of(kVip).vips.at(0).health, wanted);
    wanted.kind = HealthKind::kTcp;
    EXPECT_EQ(health_of("tcp = true"), wanted);
    wanted.kind = HealthKind::kPing;
    EXPECT_EQ(health_of("ping = true"), wanted);
    wanted.kind = HealthKind::kHttps;
    EXPECT_EQ(health_of("https = \"/\""), wanted);
    wanted.kind = HealthKind::kExec;
    wanted.command = "test -e \"/run/$FWCTL_BACKEND\"";
    EXPECT_EQ(health_of("exec = 'test -e \"/run/$FWCTL_BACKEND\"'"), wanted);
    wanted.command.clear();
    wanted.kind = HealthKind::kUdp;
    wanted.payload = "ping\r\n";
    EXPECT_EQ(health_of(R"(udp = "ping\r\n")"), wanted);
    wanted.answer = "";
    EXPECT_EQ(health_of(R"(udp = "ping\r\n", answer = "")"), wanted) << "any, but not none";
}

TEST(HealthReader, WaitsNoLongerThanToTheNextCheck) {
    EXPECT_EQ(health_of("tcp = true, every = \"300ms\"").timeout, milliseconds(300));
    EXPECT_EQ(health_of("tcp = true, every = \"300ms\", timeout = \"300ms\"").timeout, milliseconds(300));
    EXPECT_EQ(health_of("tcp = true, every = \"1h\"").timeout, milliseconds(1000));
}

TEST(HealthReader, TakesATableThatIsNotInline) {
    const Policy policy = policy_of(kVip + ("[vip.web.health]\nhttp = \"/\"\nstatus = 200\n"));
    EXPECT_EQ(policy.vips.at(0).health, health_of("http = \"/\", status = \"200\""));
}

TEST(HealthReader, SaysWhatAValueHasToBe) {
    EXPECT_EQ(errors_of(kVip + (R"([vip.web.health]
https = "healthz"
host = "www.example.org:80"
status = [99, "399-200", "2xx", 600]
body = ""
port = 0
every = "99ms"
timeout = "1h1ms"
rise = 0
fall = 101
)")),
              R"(p.toml:8:9: error: "https" is a path such as /healthz, of ASCII letters without blanks and #
   8 | https = "healthz"
     |         ^~~~~~~~~
p.toml:9:8: error: "host" is a name such as www.example.org, of A-Z a-z 0-9 . _ -, without a port
   9 | host = "www.example.org:80"
     |        ^~~~~~~~~~~~~~~~~~~~
p.toml:10:11: error: "status" is a number from 100 to 599 or a range such as 200-399, not 99
  10 | status = [99, "399-200", "2xx", 600]
     |           ^~
p.toml:10:15: error: "status" is a number from 100 to 599 or a range such as 200-399, not 399-200
  10 | status = [99, "399-200", "2xx", 600]
     |               ^~~~~~~~~
p.toml:10:26: error: "status" is a number from 100 to 599 or a range such as 200-399, not 2xx
  10 | status = [99, "399-200", "2xx", 600]
     |                          ^~~~~
p.toml:10:33: error: "status" is a number from 100 to 599 or a range such as 200-399, not 600
  10 | status = [99, "399-200", "2xx", 600]
     |                                 ^~~
p.toml:11:8: error: "body" is one line of text, and this one is empty
  11 | body = ""
     |        ^~
p.toml:12:8: error: "port" is a number from 1 to 65535, not 0
  12 | port = 0
     |        ^
p.toml:13:9: error: "every" is from 100ms to 1h, not 99ms
  13 | every = "99ms"
     |         ^~~~~~
p.toml:14:11: error: "timeout" is from 1ms to 1h, not 1h1ms
  14 | timeout = "1h1ms"
     |           ^~~~~~~
p.toml:15:8: error: "rise" is a number from 1 to 100, not 0
  15 | rise = 0
     |        ^
p.toml:16:8: error: "fall" is a number from 1 to 100, not 101
  16 | fall = 101
     |        ^~~
)");
    EXPECT_EQ(errors_of(R"([vip.a]
address = "203.0.113.1"
service = "tcp/80"
forward = "ipip"
enabled = false
health = { tcp = false, every = "2", rise = "2" }
[vip.b]
address = "203.0.113.2"
service = "tcp/80"
forward = "ipip"
enabled = false
health = { exec = "" }
panic = 101
slow_start = "61m"
down = "stay"
[vip.c]
address = "203.0.113.3"
service = "tcp/80"
forward = "ipip"
enabled = false
health = "tcp"
panic = 50
[vip.d]
address = "203.0.113.4"
service = "tcp/80"
forward = "ipip"
enabled = false
health = { http = "/a b#c", host = "", retries = 3 }
)"),
              R"(p.toml:7:18: error: "tcp" is true or left out
   7 | health = { tcp = false, every = "2", rise = "2" }
     |                  ^~~~~
p.toml:7:33: error: "2" is not a duration; write 500ms, 2s or 1m30s
   7 | health = { tcp = false, every = "2", rise = "2" }
     |                                 ^~~
p.toml:7:45: error: "rise" takes an integer, not a string
   7 | health = { tcp = false, every = "2", rise = "2" }
     |                                             ^~~
  hint: rise takes 2
p.toml:13:19: error: "exec" is one line of text, and this one is empty
  13 | health = { exec = "" }
     |                   ^~
p.toml:14:9: error: "panic" is a number from 0 to 100, not 101
  14 | panic = 101
     |         ^~~
p.toml:15:14: error: a slow start takes at most 1h
  15 | slow_start = "61m"
     |              ^~~~~
p.toml:16:8: error: "stay" is not what becomes of connections; write move, keep or reset
  16 | down = "stay"
     |        ^~~~~~
p.toml:22:10: error: "health" takes an inline table, not a string
  22 | health = "tcp"
     |          ^~~~~
  hint: health takes { http = "/healthz", every = "2s" }
p.toml:29:19: error: "http" is a path such as /healthz, of ASCII letters without blanks and #
  29 | health = { http = "/a b#c", host = "", retries = 3 }
     |                   ^~~~~~~~
p.toml:29:36: error: "host" is a name such as www.example.org, of A-Z a-z 0-9 . _ -, without a port
  29 | health = { http = "/a b#c", host = "", retries = 3 }
     |                                    ^~
p.toml:29:40: error: unknown key "retries"
  29 | health = { http = "/a b#c", host = "", retries = 3 }
     |                                        ^~~~~~~
  hint: the keys of "health" are tcp, http, https, udp, ping, exec, port, via, host, status, body, answer, every, timeout, rise, fall
)");
}

TEST(HealthReader, WantsAStatusInAList) {
    EXPECT_EQ(errors_of(kVip + ("health = { http = \"/\", status = [] }\n")),
              R"(p.toml:7:33: error: "status" lists nothing and would match nothing
   7 | health = { http = "/", status = [] }
     |                                 ^~
  hint: status takes 200, 200-399
)");
}

TEST(HealthReader, WantsOneKind) {
    EXPECT_EQ(errors_of(kVip + ("health = { tcp = true, http = \"/\", status = 200, exec = 1 }\n")),
              R"(p.toml:7:24: error: a health check is of one kind, and this one has "tcp" already
   7 | health = { tcp = true, http = "/", status = 200, exec = 1 }
     |                        ^~~~
p.toml:7:50: error: a health check is of one kind, and this one has "tcp" already
   7 | health = { tcp = true, http = "/", status = 200, exec = 1 }
     |                                                  ^~~~
p.toml:7:57: error: "exec" takes a string, not an integer
   7 | health = { tcp = true, http = "/", status = 200, exec = 1 }
     |                                                         ^
  hint: exec takes /usr/local/bin/is-well "$FWCTL_ADDRESS"
)");
    EXPECT_EQ(errors_of(kVip + ("health = { every = \"2s\", status = 200 }\n")),
              R"(p.toml:7:10: error: the health check does not say what it does
   7 | health = { every = "2s", status = 200 }
     |          ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  hint: write one of tcp = true, http = "/path", https = "/path", udp = "payload", ping = true, exec = "command"
)");
    EXPECT_EQ(errors_of(kVip + ("health = {}\n")),
              R"(p.toml:7:10: error: the health check does not say what it does
   7 | health = {}
     |          ^~
  hint: write one of tcp = true, http = "/path", https = "/path", udp = "payload", ping = true, exec = "command"
)");
}

TEST(HealthReader, RefusesKeysOfAnotherKind) {
    EXPECT_EQ(errors_of(kVip + ("health = { ping = true, port = 80, status = 200, answer = \"x\" }\n")),
              R"(p.toml:7:25: error: "port" belongs to tcp, http, https, udp and exec, not to ping
   7 | health = { ping = true, port = 80, status = 200, answer = "x" }
     |                         ^~~~
p.toml:7:36: error: "status" belongs to http and https, not to ping
   7 | health = { ping = true, port = 80, status = 200, answer = "x" }
     |                                    ^~~~~~
p.toml:7:50: error: "answer" belongs to udp, not to ping
   7 | health = { ping = true, port = 80, status = 200, answer = "x" }
     |                                                  ^~~~~~
)");
    EXPECT_EQ(errors_of(kVip + ("health = { http = \"/\", answer = \"x\", evry = \"2s\" }\n")),
              R"(p.toml:7:24: error: "answer" belongs to udp, not to http
   7 | health = { http = "/", answer = "x", evry = "2s" }
     |                        ^~~~~~
p.toml:7:38: error: unknown key "evry"
   7 | health = { http = "/", answer = "x", evry = "2s" }
     |                                      ^~~~
  hint: did you mean "every"?
)");
}

TEST(HealthReader, RefusesWaysThatACheckCannotGo) {
    EXPECT_EQ(errors_of(kVip + ("health = { ping = true, via = \"vip\" }\n")),
              R"(p.toml:7:25: error: "via" belongs to tcp, http, https and udp, not to ping
   7 | health = { ping = true, via = "vip" }
     |                         ^~~
)");
    EXPECT_EQ(errors_of(kVip + ("health = { exec = \"true\", via = \"vip\" }\n")),
              R"(p.toml:7:27: error: "via" belongs to tcp, http, https and udp, not to exec
   7 | health = { exec = "true", via = "vip" }
     |                           ^~~
)");
    std::string nat = kVip;
    nat.replace(nat.find("l2-dsr"), 6, "nat");
    EXPECT_EQ(
        errors_of(nat + "health = { tcp = true, via = \"vip\" }\n"),
        R"(p.toml:7:30: error: "via" goes with l2-dsr, ipip and gue alone: with nat packets come to the backend's own address, as checks do
   7 | health = { tcp = true, via = "vip" }
     |                              ^~~~~
)");
    EXPECT_EQ(errors_of(kVip + ("health = { tcp = true, via = \"nat\" }\n")),
              R"(p.toml:7:30: error: "nat" is not where a check goes; write backend or vip
   7 | health = { tcp = true, via = "nat" }
     |                              ^~~~~
)");
}

TEST(HealthReader, WantsAnEndBeforeTheNextCheck) {
    EXPECT_EQ(errors_of(kVip + ("health = { tcp = true, timeout = \"2s1ms\" }\n")),
              R"(p.toml:7:34: error: "timeout" is at most "every", which is 2s: checks do not overlap
   7 | health = { tcp = true, timeout = "2s1ms" }
     |                                  ^~~~~~~
)");
}

TEST(HealthReader, WantsAPort) {
    const std::string vip =
        "[vip.web]\naddress = \"203.0.113.10\"\nservice = [\"tcp\", \"sctp\"]\nforward = \"gue\"\n"
        "enabled = false\n";
    EXPECT_EQ(
        errors_of(vip + "health = { udp = \"x\" }\n"),
        R"(p.toml:7:10: error: the health check does not know which port to ask: the vip's services name none
   7 | health = { udp = "x" }
     |          ^~~~~~~~~~~~~
  hint: add port = 80, or another one
)");
    const std::string covered =
        "[vip.web]\naddress = \"203.0.113.10\"\nservice = [\"tcp/80\", \"tcp\"]\nforward = \"gue\"\n"
        "enabled = false\n";
    EXPECT_EQ(
        errors_of(covered + "health = { tcp = true }\n"),
        R"(p.toml:7:10: error: the health check does not know which port to ask: the vip's services name none
   7 | health = { tcp = true }
     |          ^~~~~~~~~~~~~~
  hint: add port = 80, or another one
)");
    for (const char* health : {"tcp = true, port = 80", "ping = true", "exec = \"true\""}) {
        EXPECT_EQ(errors_of(vip + "health = { " + health + " }\n"), "no error");
    }
}

TEST(HealthReader, RefusesWhatFollowsFromACheckWhereThereIsNone) {
    EXPECT_EQ(errors_of(kVip + ("down = \"move\"\npanic = 0\nslow_start = \"30s\"\n")),
              R"(p.toml:7:8: error: "down" goes with "health": without it no backend is ever down
   7 | down = "move"
     |        ^~~~~~
  hint: add a health check, such as health = { tcp = true }
p.toml:8:9: error: "panic" goes with "health": without it no backend is ever down
   8 | panic = 0
     |         ^
  hint: add a health check, such as health = { tcp = true }
p.toml:9:14: error: "slow_start" goes with "health": without it no backend is ever down
   9 | slow_start = "30s"
     |              ^~~~~
  hint: add a health check, such as health = { tcp = true }
)");
}

}  // namespace
}  // namespace fwctl::policy
