// Requests that a C++ host serves: whole answers, pieces, bodies, what is dropped; listening sockets; the host's clock.
#include <sys/socket.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "cpp_binding.h"

using namespace std::chrono_literals;
using cardea::Answer;
using cardea::Request;

namespace {

cardea::Config served_config(std::string_view address = "127.0.0.1:0") {
  auto config = cardea::Config::create().value();
  auto listener = cardea::Listener::create(address).value();
  auto route = cardea::Route::create("http://app.test").value();
  route.set("served_by_host", true).value();
  route.set("name", "own").value();
  auto policy = cardea::Policy::everybody().value();
  route.set_policy(policy).value();
  config.add(listener).value();
  config.add(route).value();
  config.seal().value();
  return config;
}

// What comes from a request until the other side ends, without a bound.
std::string everything(EpollLoop& loop, client& c) {
  std::string all;
  const bool over = loop.until([&] {
    c.size = 0;
    client_read(&c);
    all.append(c.text, c.size);
    return c.eof != 0;
  });
  CHECK(over);
  client_close(&c);
  return all;
}

struct Serving {
  void on_request_start(Request& r) { started += r.route() == "own"; }
  void on_request(Request& r, Answer answer) {
    if (r.path() == "/whole") {
      const std::array<cardea::Field, 1> fields{{{"X-Own", "yes"}}};
      SAME(answer.send(200, fields, "hello"), CARDEA_OK);
      SAME(answer.send(200), CARDEA_ESTALE);
      token = answer.c();
    } else if (r.path() == "/throw") {
      throw 1;
    } else if (r.path() != "/drop") {
      kept = std::move(answer);
      CHECK(!answer && kept);  // NOLINT: a moved-from answer is empty
    }
  }
  void on_readable(cardea_token t) { readable += kept && t == kept.c(); }
  void on_writable(cardea_token t) {
    SAME(t, kept.c());
    ++writable;
  }
  void on_request_end(Request& r) {
    ++ended;
    status = r.status();
  }
  void on_exception(const char* hook) { threw += !strcmp(hook, "on_request"); }
  int started = 0, readable = 0, writable = 0, ended = 0, threw = 0, status = 0;
  cardea_token token = 0;
  Answer kept;
};

void whole_dropped_and_thrown() {
  Serving host;
  auto proxy = cardea::Proxy::create(served_config(), host).value();
  auto worker = cardea::Worker::create(proxy).value();
  EpollLoop loop(worker);
  const char* said = loop.get("/whole");
  SAYS(said, "HTTP/1.1 200 ");
  SAYS(said, "X-Own: yes\r\n");
  SAYS(said, "\r\n\r\nhello");
  SAYS(loop.get("/drop"), "HTTP/1.1 502 ");
  SAYS(loop.get("/throw"), "HTTP/1.1 502 ");
  SAME(host.threw, 1);
  SAME(host.started, 3);
  SAME(host.ended, 3);
  SAME(Answer().send(200), CARDEA_ESTALE);
  SAME(Answer(host.token).abort(), CARDEA_ESTALE);
}

// Bodies both ways, past the buffer's limit; lent bytes are given back, refused ones stay.
void pieces_and_bodies() {
  Serving host;
  auto proxy = cardea::Proxy::create(served_config(), host).value();
  auto worker = cardea::Worker::create(proxy).value();
  EpollLoop loop(worker);
  client c;
  client_open(&c, worker.bound_port(0).value());
  client_send(&c, "POST /pieces HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nContent-Length: 4\r\n\r\n");
  CHECK(loop.until([&] { return bool(host.kept); }, &c));
  char buffer[16];
  std::size_t n = 0;
  SAME(host.kept.read(buffer, sizeof buffer, n), CARDEA_EAGAIN);
  client_send(&c, "body");
  CHECK(loop.until([&] { return host.readable > 0; }, &c));
  SAME(host.kept.read(buffer, sizeof buffer, n), CARDEA_OK);
  CHECK(std::string_view(buffer, n) == "body");
  SAME(host.kept.read(buffer, sizeof buffer, n), 1);

  SAME(host.kept.write("too early"), CARDEA_EINVAL);
  SAME(host.kept.begin(103, {{"Link", "</a.css>"}}), CARDEA_OK);
  SAME(host.kept.begin(200, {{"Content-Type", "text/plain"}, {"X-Two", "2"}}), CARDEA_OK);
  const auto owner = std::make_shared<std::string>(1 << 20, 'o');
  std::size_t sent = 0;
  int code = CARDEA_OK;
  while ((code = host.kept.lend(owner, *owner)) == CARDEA_OK) sent += owner->size();
  SAME(code, 1);
  sent += owner->size();
  CHECK(owner.use_count() > 1);
  std::string piece(1000, 'p');
  SAME(host.kept.lend(std::move(piece)), CARDEA_EAGAIN);
  SAME(piece.size(), 1000);  // NOLINT: what is not taken stays
  const long uses = owner.use_count();
  SAME(host.kept.lend(owner, *owner), CARDEA_EAGAIN);
  SAME(owner.use_count(), uses);
  SAME(host.kept.write("x"), CARDEA_EAGAIN);
  const int writable = host.writable;
  std::string all;
  CHECK(loop.until([&] {
    c.size = 0;
    client_read(&c);
    all.append(c.text, c.size);
    return host.writable > writable;
  }));
  CHECK(host.kept.lend(std::move(piece)) >= 0);
  CHECK(host.kept.write(", copied") >= 0);
  SAME(host.kept.end(), CARDEA_OK);
  all += everything(loop, c);
  CHECK(all.find("HTTP/1.1 103 ") == 0 && all.find("Link: </a.css>\r\n") != std::string::npos);
  CHECK(all.find("X-Two: 2\r\n") != std::string::npos && all.find(", copied") != std::string::npos);
  CHECK(all.size() > sent + 1000 && all.find(std::string(1000, 'p')) != std::string::npos);
  CHECK(loop.until([&] { return owner.use_count() == 1; }));
  SAME(host.kept.abort(), CARDEA_ESTALE);
}

// Whoever leaves ends the request; an answer that is dropped after its head is cut.
void ends() {
  cardea::Hooks hooks;
  std::optional<Answer> kept;
  int ended = 0, started = 0;
  hooks.request = [&](Request&, Answer a) { kept = std::move(a); };
  hooks.request_start = [&](Request&) { ++started; };
  hooks.request_end = [&](Request&) { ++ended; };
  hooks.readable = [](cardea_token) {};
  hooks.writable = [](cardea_token) {};
  auto proxy = cardea::Proxy::create(served_config(), std::move(hooks)).value();
  auto worker = cardea::Worker::create(proxy).value();
  EpollLoop loop(worker);
  client c;
  client_open(&c, worker.bound_port(0).value());
  client_get(&c, "/leave", 0);
  CHECK(loop.until([&] { return kept.has_value(); }, &c));
  const linger at_once{1, 0};
  setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  client_close(&c);
  CHECK(loop.until([&] { return ended == 1; }));
  SAME(kept->send(200), CARDEA_ESTALE);
  kept.reset();
  client_open(&c, worker.bound_port(0).value());
  client_get(&c, "/cut", 0);
  CHECK(loop.until([&] { return kept.has_value(); }, &c));
  SAME(kept->begin(200), CARDEA_OK);
  CHECK(kept->write("part") >= 0);
  kept.reset();
  const std::string all = everything(loop, c);
  CHECK(all.find("part") != std::string::npos && all.find("\r\n0\r\n") == std::string::npos);
  SAME(started, 2);
  const std::array<cardea::Field, 201> many{};
  SAME(Answer().begin(200, many), CARDEA_EINVAL);
}

// A successor serves on the same socket.
void listening_sockets() {
  Serving first_host, second_host;
  auto first = cardea::Proxy::create(served_config(), first_host).value();
  auto first_worker = cardea::Worker::create(first).value();
  std::array<int, 4> fds{};
  SAME(first.listening_fds(fds.data(), fds.size()).value(), 1);
  const std::string address(first_worker.bound_address(0).value());
  auto second = cardea::Proxy::create(served_config(address), second_host).value();
  second.adopt_listening(fds[0]).value();
  SAME(second.adopt_listening(-1).code(), CARDEA_EINVAL);
  auto second_worker = cardea::Worker::create(second).value();
  SAME(first_worker.bound_port(0).value(), second_worker.bound_port(0).value());
  first_worker = cardea::Worker();
  EpollLoop loop(second_worker);
  SAYS(loop.get("/whole"), "hello");
  SAME(second_host.ended, 1);
}

// A second passes when the host says so.
void the_hosts_clock() {
  Serving host;
  std::int64_t now = 1000;
  auto clock = [&](std::int64_t& unix_ms) {
    unix_ms = std::int64_t{1234567890} * 1000;
    return now;
  };
  auto proxy = cardea::Proxy::create(served_config(), host).value();
  auto worker = cardea::Worker::create_with_clock(proxy, clock).value();
  EpollLoop loop(worker);
  client c;
  client_open(&c, worker.bound_port(0).value());
  client_get(&c, "/late", 1);
  CHECK(loop.until([&] { return bool(host.kept); }, &c));
  now += 29999;  // default_upstream_timeout is 30 s
  for (int i = 0; i < 10; ++i) (void)worker.step().value();
  SAME(host.ended, 0);
  now += 1;
  CHECK(loop.until([&] { return host.ended == 1; }, &c));
  std::string all(c.text, c.size);
  all += everything(loop, c);
  CHECK(all.find("HTTP/1.1 504 ") != std::string::npos);
  CHECK(all.find("Fri, 13 Feb 2009 23:31:30 GMT") != std::string::npos);
}

}  // namespace

const test_case answer_cases[] = {{"whole_dropped_and_thrown", whole_dropped_and_thrown},
                                  {"pieces_and_bodies", pieces_and_bodies},
                                  {"ends", ends},
                                  {"listening_sockets", listening_sockets},
                                  {"the_hosts_clock", the_hosts_clock},
                                  {nullptr, nullptr}};
