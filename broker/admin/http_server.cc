// See http_server.h. cpp-httplib parses and formats; it is slow to compile and stays in this file.
#include "broker/admin/http_server.h"

#include <fcntl.h>
#include <httplib.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/admin/render.h"
#include "broker/admin/router.h"

namespace skein::admin {
namespace {

using Time = std::chrono::steady_clock;

constexpr size_t kLongestPath = 2'048;
constexpr auto kLook = std::chrono::milliseconds(100);  // between looks whether to stop
constexpr auto kFarewell = std::chrono::milliseconds(500);

struct FreeTls {
  void operator()(SSL* tls) const { SSL_free(tls); }
};
using Tls = std::unique_ptr<SSL, FreeTls>;

// The last common name of the peer's certificate, which has been verified; empty: there is none.
std::string CommonNameOf(const SSL* tls) {
  X509* const certificate = SSL_get1_peer_certificate(tls);
  if (certificate == nullptr) return {};
  X509_NAME* const subject = X509_get_subject_name(certificate);
  int at = -1;
  for (int next; (next = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
    at = next;
  std::string name;
  unsigned char* text = nullptr;
  const int size = at < 0 ? -1
                          : ASN1_STRING_to_UTF8(
                                &text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size > 0) name.assign(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
  OPENSSL_free(text);
  X509_free(certificate);
  return name;
}

// One connection. httplib's own stream has a time limit a read and no limit of bytes, so that who
// sends slowly, or headers without end, would hold a thread.
class Connection final : public httplib::Stream {
 public:
  Connection(int fd, Tls tls, const std::atomic<bool>* stopping)
      : fd_(fd),
        tls_(std::move(tls)),
        stopping_(*stopping),
        deadline_(Time::now() + std::chrono::milliseconds(HttpServer::kRequestMs)) {}

  // False: it is no TLS, or a certificate that is not ours to trust.
  bool Handshake() {
    if (tls_ == nullptr) return true;
    fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
    if (SSL_set_fd(tls_.get(), fd_) != 1) return false;
    const bool done = Try([this] { return SSL_accept(tls_.get()); }) > 0;
    if (done) certificate_ = CommonNameOf(tls_.get());
    return done;
  }
  const std::string& certificate() const { return certificate_; }

  bool is_readable() const override { return at_ < end_ || Wait(POLLIN, deadline_); }
  bool is_writable() const override { return Wait(POLLOUT, deadline_); }

  ssize_t read(char* out, size_t size) override {
    if (at_ == end_ && !Fill()) return -1;
    const size_t taken = std::min(size, end_ - at_);
    std::memcpy(out, buffer_.data() + at_, taken);
    at_ += taken;
    return static_cast<ssize_t>(taken);
  }
  ssize_t write(const char* bytes, size_t size) override {
    if (!answering_) {  // what took its time is our own
      answering_ = true;
      deadline_ = Time::now() + std::chrono::milliseconds(HttpServer::kRequestMs);
    }
    if (tls_ != nullptr)
      return Try([&] { return SSL_write(tls_.get(), bytes, static_cast<int>(size)); });
    if (!Wait(POLLOUT, deadline_)) return -1;
    return send(fd_, bytes, size, MSG_NOSIGNAL);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    Describe(getpeername, &ip, &port);
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    Describe(getsockname, &ip, &port);
  }
  socket_t socket() const override { return fd_; }

  // Closing with input that was not read would take the answer back.
  void Close() {
    if (tls_ != nullptr) SSL_shutdown(tls_.get());
    shutdown(fd_, SHUT_WR);
    const Time::time_point end = Time::now() + kFarewell;
    while (Wait(POLLIN, end) && recv(fd_, buffer_.data(), buffer_.size(), 0) > 0) {
    }
    close(fd_);
  }

 private:
  bool Fill() {
    if (taken_ >= HttpServer::kRequestBytes) return false;
    const ssize_t got = Receive();
    if (got <= 0) return false;
    at_ = 0;
    end_ = static_cast<size_t>(got);
    taken_ += end_;
    return true;
  }
  ssize_t Receive() {
    if (tls_ != nullptr) {
      return Try([this] {
        return SSL_read(tls_.get(), buffer_.data(), static_cast<int>(buffer_.size()));
      });
    }
    return Wait(POLLIN, deadline_) ? recv(fd_, buffer_.data(), buffer_.size(), 0) : -1;
  }
  // Until OpenSSL has done it, or will not. Not positive: it has not.
  template <class Call>
  ssize_t Try(Call call) {
    for (;;) {
      ERR_clear_error();
      const int result = call();
      if (result > 0) return result;
      const int why = SSL_get_error(tls_.get(), result);
      const int16_t events = why == SSL_ERROR_WANT_READ    ? POLLIN
                             : why == SSL_ERROR_WANT_WRITE ? POLLOUT
                                                           : int16_t{0};
      if (events == 0 || !Wait(events, deadline_)) return -1;
    }
  }
  bool Wait(int16_t events, Time::time_point deadline) const {
    while (!stopping_.load()) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Time::now());
      if (left.count() <= 0) return false;
      pollfd poll_fd{fd_, events, 0};
      const int ready = poll(&poll_fd, 1, static_cast<int>(std::min(left, kLook).count()));
      if (ready > 0) return true;
      if (ready < 0 && errno != EINTR) return false;
    }
    return false;
  }
  template <class Call>
  void Describe(Call call, std::string* ip, int* port) const {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    char host[NI_MAXHOST];
    char service[NI_MAXSERV];
    if (call(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
        getnameinfo(reinterpret_cast<sockaddr*>(&address), size, host, sizeof host, service,
                    sizeof service, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
      return;
    *ip = host;
    *port = std::atoi(service);
  }

  const int fd_;
  const Tls tls_;  // null: plain
  std::string certificate_;
  const std::atomic<bool>& stopping_;
  Time::time_point deadline_;
  bool answering_ = false;
  std::array<char, 4096> buffer_;
  size_t at_ = 0;
  size_t end_ = 0;
  size_t taken_ = 0;
};

// Connections that wait for a thread; who accepts waits when there are too many.
class Workers final : public httplib::TaskQueue {
 public:
  Workers() {
    for (size_t i = 0; i < HttpServer::kThreads; ++i)
      threads_.emplace_back([this] { Run(); });
  }
  void enqueue(std::function<void()> task) override {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return tasks_.size() < HttpServer::kWaiting; });
    tasks_.push_back(std::move(task));
    work_.notify_one();
  }
  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      work_.notify_all();
    }
    for (std::thread& thread : threads_)
      thread.join();
  }

 private:
  void Run() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex_);
        work_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
        room_.notify_one();
      }
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable work_, room_;
  std::deque<std::function<void()>> tasks_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

// Of the connection that a thread serves: httplib has no place for it.
thread_local const Connection* served = nullptr;

class Server final : public httplib::Server {
 public:
  std::atomic<bool> stopping{false};
  NewTls new_tls;

 private:
  bool process_and_close_socket(socket_t fd) override {
    Connection connection(fd, Tls(new_tls == nullptr ? nullptr : new_tls()), &stopping);
    bool closed = false;
    served = &connection;
    if (!stopping.load() && connection.Handshake())
      process_request(connection, true, closed, nullptr);
    served = nullptr;
    connection.Close();
    return true;
  }
};

// httplib adds what a body of a form has, and clients say form where they mean JSON.
std::multimap<std::string, std::string> QueryOf(std::string_view text) {
  std::multimap<std::string, std::string> query;
  while (!text.empty()) {
    std::string part(text.substr(0, text.find('&')));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    std::replace(part.begin(), part.end(), '+', ' ');
    const size_t equals = std::min(part.find('='), part.size());
    if (part.empty()) continue;
    query.emplace(DecodePercent(std::string_view(part).substr(0, equals)),
                  DecodePercent(std::string_view(part).substr(std::min(equals + 1, part.size()))));
  }
  return query;
}

Request ToRequest(const httplib::Request& from) {
  Request request;
  request.method = from.method;
  // As it was sent: a client id may have a slash in it, as %2F.
  const size_t mark = std::min(from.target.find('?'), from.target.size());
  request.path = from.target.substr(0, mark);
  request.query =
      QueryOf(std::string_view(from.target).substr(std::min(mark + 1, from.target.size())));
  request.body = from.body;
  request.host = from.get_header_value("Host");
  request.origin = from.get_header_value("Origin");
  request.authorization = from.get_header_value("Authorization");
  request.accept_encoding = from.get_header_value("Accept-Encoding");
  request.if_none_match = from.get_header_value("If-None-Match");
  request.certificate = served->certificate();
  request.peer = absl::StrCat(from.remote_addr, ":", from.remote_port);
  return request;
}

void Fill(const Response& from, httplib::Response* to) {
  to->status = from.status;
  const std::string type = from.content_type.empty() ? "application/json" : from.content_type;
  if (from.fixed_body.empty()) {
    to->set_content(from.body, type);
  } else {
    // From a provider, since httplib would compress a body anew for each request.
    to->set_content_provider(from.fixed_body.size(), type,
                             [bytes = from.fixed_body](size_t at, size_t size, auto& sink) {
                               return sink.write(bytes.data() + at, size);
                             });
  }
  for (const auto& [name, value] : from.headers)
    to->set_header(name, value);
  if (!to->has_header("Cache-Control")) to->set_header("Cache-Control", "no-store");
  if (from.status == 401) to->set_header("WWW-Authenticate", "Bearer");
  if (!from.allow.empty()) to->set_header("Allow", from.allow);
}

// The address must be ours alone: httplib's default lets several processes share it.
void SetSocketOptions(int fd) {
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(Handler handler, NewTls new_tls) : handler_(std::move(handler)) {
    server_.new_tls = std::move(new_tls);
    server_.set_socket_options(SetSocketOptions);
    server_.set_payload_max_length(kRequestBytes);
    server_.new_task_queue = [] { return new Workers; };  // httplib deletes it
    const auto handle = [this](const httplib::Request& request, httplib::Response& response) {
      Fill(handler_(ToRequest(request)), &response);
    };
    // What has a body is handled when that has been read; the patterns are regular expressions, so
    // what they look at has to be short.
    server_.set_pre_routing_handler([handle](const auto& request, auto& response) {
      // Without a length there is none, which httplib would wait for with some methods.
      const bool bodiless =
          request.method == "GET" || request.method == "HEAD" ||
          (!request.has_header("Content-Length") && !request.has_header("Transfer-Encoding"));
      if (request.target.size() > HttpServer::kRequestBytes / 8 ||
          request.path.size() > kLongestPath) {
        Fill({414, RenderError("the path is too long"), {}}, &response);
      } else if (bodiless) {
        handle(request, response);
      } else {
        return httplib::Server::HandlerResponse::Unhandled;
      }
      return httplib::Server::HandlerResponse::Handled;
    });
    server_.Post(".*", handle);
    server_.Put(".*", handle);
    server_.Patch(".*", handle);
    server_.Delete(".*", handle);
    server_.Options(".*", handle);
    server_.set_error_handler([](const auto& /*request*/, auto& response) {
      if (response.body.empty())
        Fill({response.status, RenderError("the request is not understood"), {}}, &response);
    });
  }

  absl::StatusOr<uint16_t> Listen(const std::string& host, uint16_t port) {
    errno = 0;
    const int bound = port == 0                          ? server_.bind_to_any_port(host)
                      : server_.bind_to_port(host, port) ? port
                                                         : -1;
    if (bound < 0) {
      return absl::UnavailableError(errno != 0 ? std::strerror(errno) : "the address is not known");
    }
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    // Until then a stop would not be noticed.
    while (!server_.is_running())
      std::this_thread::yield();
    return static_cast<uint16_t>(bound);
  }

  void Stop() {
    if (!thread_.joinable()) return;
    server_.stopping = true;
    server_.stop();
    thread_.join();
  }

 private:
  const Handler handler_;
  Server server_;
  std::thread thread_;
};

HttpServer::HttpServer(Handler handler, NewTls new_tls)
    : impl_(std::make_unique<Impl>(std::move(handler), std::move(new_tls))) {}

HttpServer::~HttpServer() {
  Stop();
}

absl::StatusOr<uint16_t> HttpServer::Listen(const std::string& host, uint16_t port) {
  return impl_->Listen(host, port);
}

void HttpServer::Stop() {
  impl_->Stop();
}

}  // namespace skein::admin
