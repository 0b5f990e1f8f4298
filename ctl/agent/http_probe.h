// Checks by HTTP/1.1 and HTTPS, many at a time, by libcurl.
//
// Promises: each is one GET over a connection of its own, never through a proxy, whatever the environment
// says; redirects are answers, not followed. The answer is read to its end or for 64 KB; then its status and
// what was read of its body decide. HTTPS proves that the backend speaks TLS, not who it is: certificates are
// not verified.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "agent/poller.h"
#include "agent/probe.h"
#include "agent/target.h"
#include "base/fd.h"
#include "base/result.h"

namespace fwctl::agent {

class HttpClient {
public:
    static Result<std::unique_ptr<HttpClient>> create(Poller& poller);
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    HttpClient(HttpClient&&) = delete;
    HttpClient& operator=(HttpClient&&) = delete;
    ~HttpClient();

    // What it begins must not outlive the HttpClient.
    std::unique_ptr<Probe> start(const Target& target, Done done);

private:
    class HttpProbe;
    HttpClient(Poller& poller, Fd timer, CURLM* multi);

    // What libcurl calls to say which sockets and which time it waits for.
    static int on_socket(CURL* easy, curl_socket_t socket, int what, void* client, void* unused);
    static int on_timer(CURLM* multi, long milliseconds, void* client);

    void act(curl_socket_t socket, std::uint32_t events);

    Poller& poller_;
    Fd timer_;
    Poller::Watch timer_watch_;
    CURLM* multi_;
    std::unordered_map<curl_socket_t, Poller::Watch> watches_;
};

}  // namespace fwctl::agent
