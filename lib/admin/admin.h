// The admin interface's server: HTTP/1.1 for a few clients of this machine, one request at a time each. It knows what
// to do with requests and nothing of proxies: a table says who answers what.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/list.h"
#include "http/http.h"
#include "net/net.h"
#include "wire/wire.h"

namespace cardea::admin {

struct Request {
  std::string path;  // without query, as sent
  std::string rest;  // what a row's final "*" stood for
  std::string body;  // complete
};
struct Reply {
  uint16_t status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::string allow = {};  // with 405
};
// {"error": what} with this status.
Reply failure(uint16_t status, Bytes what);

// Answers one request: later, or inside the handler; on the loop's thread. Without effect when the client has gone.
using Answer = std::function<void(Reply)>;
struct Row {
  const char* method;  // "GET" answers HEAD too
  const char* path;    // exact, or ending in "/*"
  std::function<void(const Request&, Answer)> handler;
};

constexpr size_t kMaxClients = 16;
constexpr size_t kMaxBody = 16 * 1024 * 1024;  // 413 past it
constexpr Millis kHeadTimeout = 10'000, kIdleTimeout = 60'000;

class Client;

// One listener. Browsers are kept out: any Origin gets 403, and for this machine alone a Host that is a name other than
// localhost (DNS rebinding). Deleting it closes every connection.
class Server final : private net::AcceptEvents {
 public:
  enum class Audience : uint8_t { this_machine, everybody };
  Server(net::Loop& loop, net::Network& network, std::vector<Row> rows, Audience audience = Audience::this_machine);
  ~Server();
  Result<void> listen(const net::Address& address, uint32_t unix_mode = 0600);
  Audience audience() const { return audience_; }
  const net::Address& address() const { return listener_->address(); }
  const std::vector<Row>& rows() const { return rows_; }

 private:
  friend class Client;
  void on_accept(std::unique_ptr<net::Stream> stream) override;
  void on_accept_error(int error) override;
  net::Loop& loop_;
  net::Network& network_;
  const std::vector<Row> rows_;
  const Audience audience_;
  std::unique_ptr<net::Listener> listener_;
  List<Client> clients_;
  size_t count_ = 0;
};

}  // namespace cardea::admin
