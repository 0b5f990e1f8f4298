// A small HTTP server: what it answers is made at once, and read by GET or HEAD alone.
//
// Promises: everything happens in the thread that calls run_once(), which waits for no client. At most
// kConnections at a time on each listener, kRequest bytes of each; who says nothing for kSilence, or is not
// done within kWhole, is cut off. Each answer ends its connection. On a TCP listener the request has to name
// this host (http/host.h), or gets 421.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace fwctl::http {

struct Reply {
    unsigned status = 200;
    std::string type = "text/plain; charset=utf-8";
    std::string body;
};

// Of a path: "/metrics". What stands behind a question mark is left out.
using Handler = std::function<Reply(const std::string& path)>;

class Server {
public:
    static constexpr unsigned kConnections = 256;
    static constexpr std::size_t kRequest = 16'384;
    static constexpr std::chrono::seconds kSilence{5};
    static constexpr std::chrono::seconds kWhole{30};

    // `names`: what a request may call this host beside "localhost" and the address that it has come to.
    Server(std::vector<std::string> names, Handler handler);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    Server(Server&&) = delete;
    Server& operator=(Server&&) = delete;
    ~Server();

    // Of TCP or of the file system; it stays the caller's.
    Status listen(int socket);

    // Waits for clients, at most so long, and does what is to be done.
    void run_once(std::chrono::milliseconds timeout);

private:
    class Listener;

    std::vector<std::string> names_;
    Handler handler_;
    std::vector<std::unique_ptr<Listener>> listeners_;
};

}  // namespace fwctl::http
