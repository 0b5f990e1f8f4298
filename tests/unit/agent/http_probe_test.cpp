#include "agent/http_probe.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "checker_fixture.h"
#include "servers.h"

namespace fwctl::agent {
namespace {

using policy::HealthKind;

class HttpProbeTest : public CheckerTest, public ::testing::WithParamInterface<Family> {
protected:
    static Target http(const TcpServer& server) {
        return target_of(HealthKind::kHttp, GetParam(), server.port());
    }
};
INSTANTIATE_TEST_SUITE_P(, HttpProbeTest, ::testing::Values(Family::kIpv4, Family::kIpv6), family_name);

TEST_P(HttpProbeTest, AnAnswerWithAGoodStatusIsGood) {
    TcpServer server(GetParam(), answering(http_answer("200 OK", "fine")));
    const Target target = http(server);
    EXPECT_EQ(check(target), up(target, "HTTP status 200"));
}

TEST_P(HttpProbeTest, AnotherStatusIsBad) {
    TcpServer server(GetParam(), answering(http_answer("503 Service Unavailable", "")));
    const Target target = http(server);
    EXPECT_EQ(check(target), down(target, "HTTP status 503"));
}

TEST_P(HttpProbeTest, WhichStatusesAreGoodIsChosen) {
    TcpServer server(GetParam(), answering(http_answer("503 Service Unavailable", "")));
    Target target = http(server);
    target.health.statuses = {{200, 200}, {500, 503}};
    EXPECT_EQ(check(target), up(target, "HTTP status 503"));
}

TEST_P(HttpProbeTest, ARedirectIsNotFollowed) {
    TcpServer server(GetParam(), answering("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n"
                                           "Content-Length: 0\r\n\r\n"));
    Target target = http(server);
    target.health.statuses = {{200, 299}};
    EXPECT_EQ(check(target), down(target, "HTTP status 302"));
    EXPECT_EQ(server.served(), 1);
}

TEST_P(HttpProbeTest, TheBodyHasToContainWhatIsAskedFor) {
    TcpServer server(GetParam(), answering(http_answer("200 OK", "all is well")));
    Target target = http(server);
    target.health.body = "is well";
    EXPECT_EQ(check(target), up(target, "HTTP status 200"));
    checker_->set_targets({});
    target.health.body = "ill";
    EXPECT_EQ(check(target), down(target, "HTTP status 200, but another body"));
}

TEST_P(HttpProbeTest, OfALongBodyTheBeginningCounts) {
    TcpServer server(GetParam(), answering(http_answer("200 OK", std::string(65'530, '.') + "inside" +
                                                                     std::string(3'000'000, '.') + "end")));
    Target target = http(server);
    target.health.body = "inside";
    EXPECT_EQ(check(target), up(target, "HTTP status 200"));
    checker_->set_targets({});
    target.health.body = "end";
    EXPECT_EQ(check(target), down(target, "HTTP status 200, but another body"));
}

TEST_P(HttpProbeTest, ABodyInPiecesIsOne) {
    TcpServer server(GetParam(), [](Fd connection) {
        read_request(connection.get());
        send_all(connection.get(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nall \r\n");
        std::this_thread::sleep_for(milliseconds(30));
        send_all(connection.get(), "7\r\nis well\r\n0\r\n\r\n");
    });
    Target target = http(server);
    target.health.body = "all is well";
    EXPECT_EQ(check(target), up(target, "HTTP status 200"));
}

TEST_P(HttpProbeTest, WhatIsAskedForIsWhatWasWritten) {
    Heard heard;
    TcpServer server(GetParam(), [&](Fd connection) {
        heard.add(read_request(connection.get()));
        send_all(connection.get(), http_answer("200 OK", ""));
    });
    Target target = http(server);
    target.health.path = "/a/../healthz?full=1";
    target.health.host = "www.example.org";
    EXPECT_EQ(check(target), up(target, "HTTP status 200"));
    EXPECT_EQ(heard.all(), std::vector<std::string>{"GET /a/../healthz?full=1 HTTP/1.1\r\n"
                                                    "Host: www.example.org\r\n"
                                                    "User-Agent: fwctl\r\nAccept: */*\r\n\r\n"});
}

TEST_P(HttpProbeTest, NoProxyIsAsked) {
    TcpServer server(GetParam(), answering(http_answer("200 OK", "")));
    const BoundSocket closed(Family::kIpv4, SOCK_STREAM);
    setenv("http_proxy", ("http://127.0.0.1:" + std::to_string(closed.port())).c_str(), 1);
    const Target target = http(server);
    EXPECT_EQ(check(target), up(target, "HTTP status 200"));
    unsetenv("http_proxy");
}

// Though the server would keep the one that it has: there it answers once.
TEST_P(HttpProbeTest, EachCheckHasAConnectionOfItsOwn) {
    std::vector<Fd> kept;
    TcpServer server(GetParam(), [&](Fd connection) {
        read_request(connection.get());
        send_all(connection.get(), http_answer("200 OK", ""));
        kept.push_back(std::move(connection));
    });
    const Target target = http(server);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(check(target), up(target, "HTTP status 200"));
        checker_->set_targets({});
    }
    EXPECT_EQ(server.served(), 3);
}

TEST_P(HttpProbeTest, ARefusedConnectionIsBad) {
    const BoundSocket closed(GetParam(), SOCK_STREAM);
    const Target target = target_of(HealthKind::kHttp, GetParam(), closed.port());
    EXPECT_EQ(check(target), down(target, "connection refused"));
}

TEST_P(HttpProbeTest, WithoutDescriptorsATargetStaysWhatItWas) {
    TcpServer server(GetParam(), answering(http_answer("200 OK", "")));
    const Target target = http(server);
    EXPECT_EQ(check(target), up(target, "HTTP status 200"));
    rlimit limit{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlimit none{3, limit.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto events = wait_for_events(begin_checks({target}));
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_EQ(events, (std::vector<Event>{{target.id, Event::Kind::kUnable, "too many open files"}}));
}

TEST_P(HttpProbeTest, AConnectionThatEndsIsBad) {
    TcpServer server(GetParam(), [](Fd connection) { read_request(connection.get()); });
    const Target target = http(server);
    EXPECT_EQ(check(target), down(target, "empty reply from server"));
}

TEST_P(HttpProbeTest, WhatIsNotHttpIsBad) {
    TcpServer server(GetParam(), answering("220 mail.example.org ESMTP\r\n"));
    const Target target = http(server);
    EXPECT_EQ(check(target), down(target, "received HTTP/0.9 when not allowed"));
}

TEST_P(HttpProbeTest, ASilentServerIsBad) {
    std::vector<Fd> kept;
    TcpServer server(GetParam(), [&](Fd connection) {
        read_request(connection.get());
        kept.push_back(std::move(connection));
    });
    const Target target = http(server);
    EXPECT_EQ(check_in_vain(target), down(target, "no answer within 1s"));
}

TEST_P(HttpProbeTest, AnAnswerThatDoesNotEndIsBad) {
    std::vector<Fd> kept;
    TcpServer server(GetParam(), [&](Fd connection) {
        read_request(connection.get());
        send_all(connection.get(), "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun");
        kept.push_back(std::move(connection));
    });
    const Target target = http(server);
    EXPECT_EQ(check_in_vain(target), down(target, "no answer within 1s"));
}

TEST_P(HttpProbeTest, TlsIsSpokenAndCertificatesAreNotVerified) {
    TlsServer server(GetParam(), http_answer("200 OK", "fine"));
    Target target = target_of(HealthKind::kHttps, GetParam(), server.port());
    target.health.body = "fine";
    EXPECT_EQ(check(target), up(target, "HTTP status 200"));
    checker_->set_targets({});
    target.health.host = "www.example.org";
    EXPECT_EQ(check(target), up(target, "HTTP status 200"));
    EXPECT_EQ(server.names.all(), (std::vector<std::string>{"", "www.example.org"}));
}

TEST_P(HttpProbeTest, AServerWithoutTlsIsBadByHttps) {
    TcpServer server(GetParam(), [](Fd connection) {
        char begin = 0;
        recv(connection.get(), &begin, 1, 0);
        send_all(connection.get(), http_answer("400 Bad Request", ""));
    });
    const Target target = target_of(HealthKind::kHttps, GetParam(), server.port());
    const Event event = check(target);
    EXPECT_EQ(event.kind, Event::Kind::kDown);
    EXPECT_NE(event.why.find("wrong version number"), std::string::npos) << event.why;
}

}  // namespace
}  // namespace fwctl::agent
