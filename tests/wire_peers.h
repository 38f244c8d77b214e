// Clients and services of the proxy's tests, each behind one interface for HTTP/1.1 and HTTP/2 (prior knowledge).
//
//   client->get("/x");                        // every action runs the loop until nothing is due
//   auto& r = service->expect("GET", "/x");
//   service->respond(r, 200, "hello");
//   client->answer(0).status, .body.text, .end, .reset, ...
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "wire_ends.h"

namespace cardea::test {

// ---- the client -------------------------------------------------------------------------------------

struct Request {
  std::string method = "GET", path = "/";
  Headers headers = {};
  std::optional<std::string> body = {};  // with its length
  bool open = false;                     // a body follows in pieces: chunked, unless `headers` give a length
  std::string host = "a.example";
};

class TestClient {
 public:
  TestClient(net::FakeLoop& loop, std::shared_ptr<net::FakePeer> peer, bool h2) : peer(std::move(peer)), loop_(loop) {
    if (h2) {
      h2_ = std::make_unique<H2End>(this->peer, false, nullptr);
    } else {
      reader_ =
          std::make_unique<H1Reader>(true, [this](auto& line, Headers h) { return on_h1_head(line, std::move(h)); });
    }
    this->peer->on_change = [this](net::FakePeer&) { pump(); };
    if (h2_) h2_->flush();
    run();
  }
  ~TestClient() { peer->on_change = nullptr; }
  TestClient(const TestClient&) = delete;

  // Sends a request; its number.
  size_t request(const Request& r) {
    const size_t n = sent_.size();
    sent_.emplace_back();
    Sent& s = sent_.back();
    s.head_request = r.method == "HEAD";
    h2_ ? send_h2(r, s) : send_h1(r, s);
    run();
    return n;
  }
  size_t get(const std::string& path, Headers headers = {}) { return request({"GET", path, std::move(headers)}); }
  size_t post(const std::string& path, const std::string& body, Headers headers = {}) {
    return request({"POST", path, std::move(headers), body});
  }
  void body(size_t n, Bytes bytes) {
    Sent& s = sent_.at(n);
    h2_ ? h2_->body(s.id, bytes) : send(s.chunked ? chunk(bytes) : std::string(bytes));
    run();
  }
  void end(size_t n, const Headers& trailers = {}) {
    Sent& s = sent_.at(n);
    if (h2_) {
      h2_->end(s.id, trailers);
    } else if (s.chunked) {
      send("0\r\n" + h1_fields(trailers) + "\r\n");
    }
    run();
  }
  // Gives up a request: h2 RST_STREAM(CANCEL), h1 the connection.
  void reset(size_t n) {
    h2_ ? h2_->reset(sent_.at(n).id, NGHTTP2_CANCEL) : peer->reset();
    run();
  }
  // The client is gone.
  void close() {
    peer->close();
    if (h2_) h2_->ended = true;
    run();
  }
  // Bytes that are no request of ours; `answers` of them will come.
  void raw(Bytes bytes, size_t answers = 1) {
    for (size_t i = 0; i < answers; ++i) sent_.emplace_back();
    send(bytes);
    run();
  }

  const Incoming& answer(size_t n = 0) {
    loop_.run();
    return sent_.at(n).in;
  }
  size_t answered() const {
    return size_t(std::count_if(sent_.begin(), sent_.end(), [](const Sent& s) { return s.in.end; }));
  }
  int status(size_t n = 0) { return answer(n).status; }
  bool closed() const { return peer->closed || peer->eof; }
  bool goaway() const { return h2_ && h2_->goaway; }
  H2End* h2() { return h2_.get(); }
  // Of the bytes that the test sent, those that the proxy has taken from its kernel.
  uint64_t taken() const { return sent_bytes() - peer->unread(); }
  void run() { loop_.run(); }

  std::shared_ptr<net::FakePeer> peer;

 private:
  struct Sent {
    Incoming in;
    int32_t id = 0;
    bool head_request = false, chunked = false;
  };

  uint64_t sent_bytes() const { return h2_ ? h2_->sent : h1_sent_; }
  void send(Bytes bytes) {
    h1_sent_ += bytes.size();
    peer->send(bytes);
  }
  void pump() {
    if (h2_) return h2_->pump();
    reader_->feed(peer->take());
    if (peer->eof || peer->closed) {
      reader_->eof();
      for (size_t i = next_; i < sent_.size(); ++i) sent_[i].in.reset = true;
    }
  }
  H1Reader::Begun on_h1_head(const std::string& line, Headers headers) {
    EXPECT_EQ(line.substr(0, 9), "HTTP/1.1 ");
    if (next_ >= sent_.size()) {
      ADD_FAILURE() << "an answer that nobody asked for: " << line;
      return {};
    }
    Sent& s = sent_[next_];
    const int status = atoi(line.c_str() + 9);
    if (status < 200 && status != 101) {
      s.in.informational.push_back(status);
      s.in.hints.insert(s.in.hints.end(), headers.begin(), headers.end());
      return {};
    }
    ++next_;
    s.in.status = status;
    s.in.headers = std::move(headers);
    return {&s.in, s.head_request || status == 204 || status == 304};
  }
  void send_h1(const Request& r, Sent& s) {
    std::string head = r.method + " " + r.path + " HTTP/1.1\r\nHost: " + r.host + "\r\n" + h1_fields(r.headers);
    s.chunked = r.open && count(r.headers, "content-length") == 0;
    if (r.body) head += "Content-Length: " + std::to_string(r.body->size()) + "\r\n";
    if (s.chunked) head += "Transfer-Encoding: chunked\r\n";
    send(head + "\r\n" + r.body.value_or(""));
  }
  void send_h2(const Request& r, Sent& s) {
    Headers all = {{":method", r.method}, {":authority", r.host}};
    if (!r.path.empty()) all.insert(all.end(), {{":scheme", "http"}, {":path", r.path}});  // else CONNECT
    for (const auto& [n, v] : r.headers) all.emplace_back(lower(n), v);
    if (r.body) all.emplace_back("content-length", std::to_string(r.body->size()));
    const auto nva = H2End::nva(all);
    const bool has_body = r.open || (r.body && !r.body->empty());
    H2End::Stream stream;
    const int32_t id = nghttp2_session_get_next_stream_id(h2_->ng) <= 0x7fffffff
                           ? int32_t(nghttp2_session_get_next_stream_id(h2_->ng))
                           : 0;
    stream.in = &s.in;
    if (r.body) stream.out = *r.body;
    stream.out_end = !r.open;
    H2End::Stream& kept = h2_->streams[id] = std::move(stream);
    auto provider = h2_->provider(kept);
    s.id = nghttp2_submit_request(h2_->ng, nullptr, nva.data(), nva.size(), has_body ? &provider : nullptr, nullptr);
    EXPECT_EQ(s.id, id);
    h2_->flush();
  }

  net::FakeLoop& loop_;
  std::unique_ptr<H2End> h2_;
  std::unique_ptr<H1Reader> reader_;
  std::deque<Sent> sent_;
  size_t next_ = 0;  // h1: whose answer comes next
  uint64_t h1_sent_ = 0;
};

// ---- the service ------------------------------------------------------------------------------------

class TestService {
 public:
  struct Connection {
    std::shared_ptr<net::FakePeer> peer;
    std::unique_ptr<H2End> h2;
    std::unique_ptr<H1Reader> reader;
  };
  struct Request : Incoming {
    std::string method, path, authority;
    Connection* connection = nullptr;
    int32_t id = 0;
    bool answers_chunked = false;
  };

  TestService(net::FakeLoop& loop, net::FakeNetwork& network, const std::string& address, bool h2)
      : loop_(loop), at_(network.serve(address)), h2_(h2) {
    at_.on_connect = [this](std::shared_ptr<net::FakePeer> peer) { accept(std::move(peer)); };
  }
  ~TestService() {
    at_.on_connect = nullptr;
    for (auto& c : all_) c.peer->on_change = nullptr;
  }
  TestService(const TestService&) = delete;

  // The next request that nobody has looked at.
  Request& expect(const std::string& method, const std::string& path) {
    run();
    if (next_ >= requests.size()) {
      ADD_FAILURE() << "no request has come; wanted " << method << " " << path;
      nowhere_.peer = std::make_shared<net::FakePeer>(loop_);
      return none_ = Request{{}, {}, {}, {}, &nowhere_};
    }
    Request& r = requests[next_++];
    EXPECT_EQ(r.method, method);
    EXPECT_EQ(r.path, path);
    return r;
  }
  bool idle() {
    run();
    return next_ == requests.size();
  }

  void informational(Request& r, int status, const Headers& headers = {}) {
    if (r.connection->h2) {
      const Headers all = with_status(status, headers);
      const auto nva = H2End::nva(all);
      nghttp2_submit_headers(r.connection->h2->ng, 0, r.id, nullptr, nva.data(), nva.size(), nullptr);
      r.connection->h2->flush();
    } else {
      send(r, "HTTP/1.1 " + std::to_string(status) + " x\r\n" + h1_fields(headers) + "\r\n");
    }
    run();
  }
  // A head whose body follows, with its length if `headers` say so.
  void head(Request& r, int status, const Headers& headers = {}) {
    if (r.connection->h2) {
      const Headers all = with_status(status, headers);
      const auto nva = H2End::nva(all);
      auto provider = r.connection->h2->provider(r.connection->h2->streams[r.id]);
      nghttp2_submit_response(r.connection->h2->ng, r.id, nva.data(), nva.size(), &provider);
      r.connection->h2->flush();
    } else {
      r.answers_chunked = count(headers, "content-length") == 0;
      send(r, "HTTP/1.1 " + std::to_string(status) + " x\r\n" + h1_fields(headers) +
                  (r.answers_chunked ? "Transfer-Encoding: chunked\r\n" : "") + "\r\n");
    }
    run();
  }
  // A head that is the whole answer: to HEAD, 204, 304.
  void head_only(Request& r, int status, const Headers& headers = {}) {
    if (r.connection->h2) {
      const Headers all = with_status(status, headers);
      const auto nva = H2End::nva(all);
      nghttp2_submit_response(r.connection->h2->ng, r.id, nva.data(), nva.size(), nullptr);
      r.connection->h2->flush();
    } else {
      send(r, "HTTP/1.1 " + std::to_string(status) + " x\r\n" + h1_fields(headers) + "\r\n");
    }
    run();
  }
  void body(Request& r, Bytes bytes) {
    if (r.connection->h2) {
      r.connection->h2->body(r.id, bytes);
    } else {
      send(r, r.answers_chunked ? chunk(bytes) : std::string(bytes));
    }
    run();
  }
  void end(Request& r, const Headers& trailers = {}) {
    if (r.connection->h2) {
      r.connection->h2->end(r.id, trailers);
    } else if (r.answers_chunked) {
      send(r, "0\r\n" + h1_fields(trailers) + "\r\n");
    }
    run();
  }
  void respond(Request& r, int status, const std::string& text, Headers headers = {}) {
    headers.emplace_back("content-length", std::to_string(text.size()));
    head(r, status, headers);
    if (!text.empty()) body(r, text);
    end(r);
  }
  // Breaks the answer off: h2 RST_STREAM, h1 the end of the connection (FIN).
  void cut(Request& r, uint32_t code = NGHTTP2_INTERNAL_ERROR) {
    r.connection->h2 ? r.connection->h2->reset(r.id, code) : r.connection->peer->close();
    run();
  }
  void goaway(Request& r, int32_t last) {
    nghttp2_submit_goaway(r.connection->h2->ng, 0, last, NGHTTP2_NO_ERROR, nullptr, 0);
    r.connection->h2->flush();
    run();
  }
  void raw(Request& r, Bytes bytes) {
    r.connection->peer->send(bytes);
    run();
  }

  size_t connections() const { return all_.size(); }
  size_t open() const { return at_.open(); }
  Connection& connection(size_t n) { return all_.at(n); }
  net::FakeService& at() { return at_; }

  std::deque<Request> requests;
  size_t window = SIZE_MAX;             // of new connections: how much their kernel takes
  bool takes_extended_connect = false;  // new connections say so (h2)

 private:
  void run() { loop_.run(); }
  static Headers with_status(int status, const Headers& headers) {
    Headers all = {{":status", std::to_string(status)}};
    for (const auto& [n, v] : headers) all.emplace_back(lower(n), v);
    return all;
  }
  void send(Request& r, const std::string& bytes) { r.connection->peer->send(bytes); }
  void accept(std::shared_ptr<net::FakePeer> peer) {
    Connection& c = all_.emplace_back();
    c.peer = std::move(peer);
    c.peer->set_window(window);
    if (h2_) {
      c.h2 = std::make_unique<H2End>(
          c.peer, true,
          [this, &c](int32_t id) {
            Request& r = begin(c);
            r.id = id;
            return &r;
          },
          takes_extended_connect);
      c.peer->on_change = [this, &c](net::FakePeer&) {
        c.h2->pump();
        for (Request& r : requests) name_h2(r);
      };
      c.h2->flush();
      return;
    }
    c.reader = std::make_unique<H1Reader>(false, [this, &c](const std::string& line, Headers headers) {
      Request& r = begin(c);
      const size_t a = line.find(' '), b = line.rfind(' ');
      EXPECT_EQ(line.substr(b + 1), "HTTP/1.1");
      r.method = line.substr(0, a);
      r.path = line.substr(a + 1, b - a - 1);
      r.authority = value(headers, "host");
      EXPECT_EQ(count(headers, "host"), 1u);
      r.headers = std::move(headers);
      return H1Reader::Begun{&r, false};
    });
    c.peer->on_change = [this, &c](net::FakePeer& p) {
      c.reader->feed(p.take());
      if (!p.closed && !p.eof) return;
      c.reader->eof();
      for (Request& r : requests) r.reset |= r.connection == &c && !r.end;
    };
  }
  static void name_h2(Request& r) {
    if (!r.method.empty()) return;
    r.method = value(r.pseudo, ":method");
    r.path = value(r.pseudo, ":path");
    r.authority = value(r.pseudo, ":authority");
  }
  Request& begin(Connection& c) {
    Request& r = requests.emplace_back();
    r.connection = &c;
    return r;
  }

  net::FakeLoop& loop_;
  net::FakeService& at_;
  const bool h2_;
  std::deque<Connection> all_;
  size_t next_ = 0;
  Connection nowhere_;  // of the request that never came: the test goes on and fails
  Request none_;
};

}  // namespace cardea::test
