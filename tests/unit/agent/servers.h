// Servers on the loopback interface, each with a thread of its own and a port that the kernel chooses; and
// the targets that they are.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/target.h"
#include "base/fd.h"
#include "policy/prefix.h"

namespace fwctl::agent {

using policy::Family;

inline const char* loopback(Family family) {
    return family == Family::kIpv4 ? "127.0.0.1" : "::1";
}

inline std::string family_name(const ::testing::TestParamInfo<Family>& tested) {
    return tested.param == Family::kIpv4 ? "Ipv4" : "Ipv6";
}

inline Target target_of(policy::HealthKind kind, Family family, std::uint16_t port) {
    Target target;
    target.id = {"web", "web1", policy::parse_prefix(loopback(family)).value()};
    target.port = port;
    target.health.kind = kind;
    return target;
}

// A socket that is bound to a port of the loopback interface.
class BoundSocket {
public:
    BoundSocket(Family family, int type)
        : socket_(socket(family == Family::kIpv4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0)) {
        sockaddr_in ipv4{};
        ipv4.sin_family = AF_INET;
        ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        sockaddr_in6 ipv6{};
        ipv6.sin6_family = AF_INET6;
        ipv6.sin6_addr = in6addr_loopback;
        const bool v4 = family == Family::kIpv4;
        auto* address = v4 ? reinterpret_cast<sockaddr*>(&ipv4) : reinterpret_cast<sockaddr*>(&ipv6);
        socklen_t length = v4 ? sizeof(ipv4) : sizeof(ipv6);
        EXPECT_EQ(bind(get(), address, length), 0) << strerror(errno);
        EXPECT_EQ(getsockname(get(), address, &length), 0);
        port_ = ntohs(v4 ? ipv4.sin_port : ipv6.sin6_port);
    }
    [[nodiscard]] int get() const { return socket_.get(); }
    [[nodiscard]] std::uint16_t port() const { return port_; }

private:
    Fd socket_;
    std::uint16_t port_ = 0;
};

// Accepts connections one after the other and gives each to `serve`. Nothing ends but by stop().
class TcpServer {
public:
    using Serve = std::function<void(Fd connection)>;

    TcpServer(Family family, Serve serve) : socket_(family, SOCK_STREAM), serve_(std::move(serve)) {
        EXPECT_EQ(listen(socket_.get(), 4096), 0);
        thread_ = std::thread([this] { run(); });
    }
    ~TcpServer() { stop(); }

    // From then on, connections are refused.
    void stop() {
        if (!thread_.joinable()) return;
        shutdown(socket_.get(), SHUT_RDWR);
        thread_.join();
    }

    [[nodiscard]] std::uint16_t port() const { return socket_.port(); }
    [[nodiscard]] int served() const { return served_; }

private:
    void run() {
        while (true) {
            Fd connection(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!connection && errno == ECONNABORTED) continue;
            if (!connection) return;
            // Whatever a client fails to send: a test ends.
            const timeval patience{30, 0};
            setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
            ++served_;
            serve_(std::move(connection));
        }
    }

    BoundSocket socket_;
    Serve serve_;
    std::atomic<int> served_{0};
    std::thread thread_;
};

// What a server got, written by its thread and read by the test's.
class Heard {
public:
    void add(const std::string& text) {
        const std::lock_guard lock(mutex_);
        all_.push_back(text);
    }
    std::vector<std::string> all() {
        const std::lock_guard lock(mutex_);
        return all_;
    }

private:
    std::mutex mutex_;
    std::vector<std::string> all_;
};

// The head of a request, by `receive` as recv() is.
template <typename Receive>
std::string read_request(Receive receive) {
    std::string request;
    char piece[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
        const auto size = receive(piece, sizeof(piece));
        if (size <= 0) return request;
        request.append(piece, static_cast<std::size_t>(size));
    }
    return request;
}

inline std::string read_request(int connection) {
    return read_request([&](char* data, std::size_t size) { return recv(connection, data, size, 0); });
}

inline void send_all(int connection, std::string_view text) {
    while (!text.empty()) {
        const ssize_t sent = send(connection, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

// Answers each request with the same text.
inline TcpServer::Serve answering(std::string answer) {
    return [answer = std::move(answer)](Fd connection) {
        read_request(connection.get());
        send_all(connection.get(), answer);
    };
}

inline std::string http_answer(const std::string& status, const std::string& body) {
    return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Speaks TLS with a certificate that it has just signed itself, for a name that nobody asks for.
class TlsServer {
public:
    TlsServer(Family family, std::string answer)
        : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free),
          answer_(std::move(answer)),
          key_(EVP_EC_gen("P-256"), EVP_PKEY_free),
          certificate_(X509_new(), X509_free) {
        X509_gmtime_adj(X509_getm_notBefore(certificate_.get()), -7200);
        X509_gmtime_adj(X509_getm_notAfter(certificate_.get()), -3600);  // and it is no longer valid
        X509_set_pubkey(certificate_.get(), key_.get());
        X509_sign(certificate_.get(), key_.get(), EVP_sha256());
        EXPECT_EQ(SSL_CTX_use_certificate(context_.get(), certificate_.get()), 1);
        EXPECT_EQ(SSL_CTX_use_PrivateKey(context_.get(), key_.get()), 1);
        server_.emplace(family, [this](Fd connection) { serve(connection.get()); });
    }
    [[nodiscard]] std::uint16_t port() const { return server_->port(); }
    Heard names;  // that were asked for in the handshake, "" for none

private:
    void serve(int connection) {
        const std::unique_ptr<SSL, void (*)(SSL*)> tls(SSL_new(context_.get()), SSL_free);
        SSL_set_fd(tls.get(), connection);
        if (SSL_accept(tls.get()) != 1) return;
        const char* name = SSL_get_servername(tls.get(), TLSEXT_NAMETYPE_host_name);
        names.add(name == nullptr ? "" : name);
        read_request([&](char* data, std::size_t size) { return SSL_read(tls.get(), data, int(size)); });
        SSL_write(tls.get(), answer_.data(), int(answer_.size()));
        SSL_shutdown(tls.get());
    }

    std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
    std::string answer_;
    std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
    std::unique_ptr<X509, void (*)(X509*)> certificate_;
    std::optional<TcpServer> server_;
};

}  // namespace fwctl::agent
