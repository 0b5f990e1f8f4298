#include "agent/http_probe.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "agent/socket_probe.h"
#include "policy/prefix.h"

namespace fwctl::agent {
namespace {

constexpr std::size_t kBodyLimit = 65'536;

struct FreeEasy {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, FreeEasy>;
using List = std::unique_ptr<curl_slist, FreeList>;

// "192.0.2.1", "[2001:db8::1]".
std::string in_url(const policy::Prefix& address) {
    const std::string text = policy::format_prefix(address);
    return address.family == policy::Family::kIpv4 ? text : "[" + text + "]";
}

std::string url_of(const Target& target) {
    const policy::Health& health = target.health;
    const bool tls = health.kind == policy::HealthKind::kHttps;
    const std::string host = health.host.empty() ? in_url(target.id.asked()) : health.host;
    return fmt::format("http{}://{}:{}{}", tls ? "s" : "", host, target.port, health.path);
}

}  // namespace

class HttpClient::HttpProbe : public Probe {
public:
    HttpProbe(CURLM* multi, Target target, Done done)
        : multi_(multi), target_(std::move(target)), done_(std::move(done)) {}
    HttpProbe(const HttpProbe&) = delete;
    HttpProbe& operator=(const HttpProbe&) = delete;
    HttpProbe(HttpProbe&&) = delete;
    HttpProbe& operator=(HttpProbe&&) = delete;
    ~HttpProbe() override {
        if (easy_) curl_multi_remove_handle(multi_, easy_.get());
    }

    void begin() {
        easy_.reset(curl_easy_init());
        if (!easy_) return done_(failure(ENOMEM));
        set_up();
        if (const CURLMcode code = curl_multi_add_handle(multi_, easy_.get()); code != CURLM_OK)
            done_({Finding::kUnable, curl_multi_strerror(code)});
    }

    void ended(CURLcode code) { done_(code == CURLE_OK || full_ ? judge() : why_failed(code)); }

private:
    void set_up() {
        CURL* easy = easy_.get();
        curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
        curl_easy_setopt(easy, CURLOPT_URL, url_of(target_).c_str());
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
        curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
        curl_easy_setopt(easy, CURLOPT_USERAGENT, "fwctl");
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_.data());
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &HttpProbe::on_open);
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &HttpProbe::on_body);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        // Else the system's certificates are read for each check, although none is verified.
        curl_easy_setopt(easy, CURLOPT_CAINFO, nullptr);
        curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
        if (target_.health.host.empty()) return;
        // The name is for the server's eyes: where to connect to is known.
        const std::string to = fmt::format("::{}:{}", in_url(target_.id.asked()), target_.port);
        connect_to_.reset(curl_slist_append(nullptr, to.c_str()));
        curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to_.get());
        headers_.reset(curl_slist_append(nullptr, ("Host: " + target_.health.host).c_str()));
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get());
    }

    // libcurl itself would not say why it has no socket.
    static curl_socket_t on_open(void* user, curlsocktype, curl_sockaddr* wanted) {
        auto& probe = *static_cast<HttpProbe*>(user);
        const int made = socket(wanted->family, wanted->socktype | SOCK_CLOEXEC, wanted->protocol);
        if (made >= 0 && mark_socket(made, probe.target_, SOCK_STREAM)) return made;
        probe.socket_error_ = errno;
        if (made >= 0) close(made);
        return CURL_SOCKET_BAD;
    }

    // Taking less than there is ends the transfer.
    static std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
        auto& probe = *static_cast<HttpProbe*>(user);
        const std::size_t taken = std::min(size, kBodyLimit - probe.body_.size());
        probe.body_.append(data, taken);
        probe.full_ = taken < size;
        return taken;
    }

    Outcome judge() {
        long status = 0;
        curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
        const bool accepted = std::any_of(
            target_.health.statuses.begin(), target_.health.statuses.end(),
            [&](const policy::Range& range) { return range.first <= status && status <= range.last; });
        if (!accepted) return {Finding::kBad, fmt::format("HTTP status {}", status)};
        if (body_.find(target_.health.body) == std::string::npos)
            return {Finding::kBad, fmt::format("HTTP status {}, but another body", status)};
        return {Finding::kGood, fmt::format("HTTP status {}", status)};
    }

    Outcome why_failed(CURLcode code) {
        if (socket_error_ != 0) return failure(socket_error_);
        long error = 0;
        curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &error);
        const bool of_socket =
            code == CURLE_COULDNT_CONNECT || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR;
        if (of_socket && error != 0) return failure(static_cast<int>(error));
        if (code == CURLE_OUT_OF_MEMORY || code == CURLE_FAILED_INIT) return failure(ENOMEM);
        return {Finding::kBad, uncapitalized(error_[0] != '\0' ? error_.data() : curl_easy_strerror(code))};
    }

    CURLM* multi_;
    Target target_;
    Done done_;
    std::string body_;
    bool full_ = false;
    int socket_error_ = 0;  // an errno
    std::array<char, CURL_ERROR_SIZE> error_{};
    List connect_to_;
    List headers_;
    Easy easy_;
};

HttpClient::HttpClient(Poller& poller, Fd timer, CURLM* multi)
    : poller_(poller), timer_(std::move(timer)), multi_(multi) {
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &HttpClient::on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &HttpClient::on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
}

HttpClient::~HttpClient() {
    curl_multi_cleanup(multi_);
}

Result<std::unique_ptr<HttpClient>> HttpClient::create(Poller& poller) {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (ready != CURLE_OK)
        return fail(fmt::format("cannot begin with libcurl: {}", curl_easy_strerror(ready)));
    Fd timer(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    if (!timer) return fail(fmt::format("cannot make a timer: {}", strerror(errno)));
    CURLM* multi = curl_multi_init();
    if (multi == nullptr) return fail("cannot begin with libcurl: out of memory");
    std::unique_ptr<HttpClient> client(new HttpClient(poller, std::move(timer), multi));
    auto watch = poller.watch(client->timer_.get(), EPOLLIN, [raw = client.get()](std::uint32_t) {
        std::uint64_t times = 0;
        if (read(raw->timer_.get(), &times, sizeof(times)) > 0) raw->act(CURL_SOCKET_TIMEOUT, 0);
    });
    if (!watch) return tl::unexpected(watch.error());
    client->timer_watch_ = std::move(*watch);
    return client;
}

std::unique_ptr<Probe> HttpClient::start(const Target& target, Done done) {
    auto probe = std::make_unique<HttpProbe>(multi_, target, std::move(done));
    probe->begin();
    return probe;
}

int HttpClient::on_socket(CURL*, curl_socket_t socket, int what, void* user, void*) {
    auto& client = *static_cast<HttpClient*>(user);
    client.watches_.erase(socket);
    if (what == CURL_POLL_REMOVE) return 0;
    std::uint32_t events = 0;
    if ((what & CURL_POLL_IN) != 0) events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) events |= EPOLLOUT;
    auto watch = client.poller_.watch(socket, events,
                                      [&client, socket](std::uint32_t ready) { client.act(socket, ready); });
    if (!watch) return -1;
    client.watches_.emplace(socket, std::move(*watch));
    return 0;
}

// Never acts at once: libcurl must not be called from here.
int HttpClient::on_timer(CURLM*, long milliseconds, void* user) {
    itimerspec when{};  // all zero: not at all
    if (milliseconds >= 0) {
        when.it_value.tv_sec = milliseconds / 1000;
        when.it_value.tv_nsec = std::max(1L, milliseconds % 1000 * 1'000'000L);
    }
    timerfd_settime(static_cast<HttpClient*>(user)->timer_.get(), 0, &when, nullptr);
    return 0;
}

void HttpClient::act(curl_socket_t socket, std::uint32_t events) {
    int mask = 0;
    if ((events & EPOLLIN) != 0) mask |= CURL_CSELECT_IN;
    if ((events & EPOLLOUT) != 0) mask |= CURL_CSELECT_OUT;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) mask |= CURL_CSELECT_ERR;
    int running = 0;
    curl_multi_socket_action(multi_, socket, mask, &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        char* probe = nullptr;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &probe);
        reinterpret_cast<HttpProbe*>(probe)->ended(message->data.result);
    }
}

}  // namespace fwctl::agent
