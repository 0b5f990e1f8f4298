#include <gtest/gtest.h>
#include "packet_builder.h"
#include "program_runner.h"
#include "policy/service.h"
#include "policy/prefix.h"
namespace fwctl::testing { namespace {
TEST(Dbg, Arp) {
    auto runner = ProgramRunner::load(Hook::kXdp, FW_LINK_ETHERNET);
    ASSERT_TRUE(runner) << runner.error().message;
    policy::Rule rule; rule.name="x"; rule.services={policy::parse_service("gre").value()}; rule.from.prefixes={policy::parse_prefix("10.1.0.0/16").value()};
    ASSERT_TRUE(runner->set_rules({rule}));
    auto r = runner->run(Bytes(ethernet() / arp()));
    printf("rule %u reason %u rows %u eth %x mac %llx\n", r->trace.rule, r->trace.reason, r->trace.row_count, r->trace.packet.ethertype,(unsigned long long)r->trace.packet.source_mac);
    for (unsigned i = 0; i < r->trace.row_count && i < 64; i++) printf("  %u %u\n", r->trace.rows[i].rule, r->trace.rows[i].part);
    auto f = runner->store().read(); 
}}}
