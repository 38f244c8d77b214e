// Hosts and receivers that write down what an HTTP/1.1 codec tells them, for tests without sockets.
#pragma once

#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/http.h"

namespace cardea::http::testing {

// Bytes of one turn, in memory of exactly their size that ends with the turn: who keeps a view is found out.
class TurnBytes {
 public:
  Bytes add(Bytes s) {
    blocks_.emplace_back(new char[s.size()]);
    if (!s.empty()) memcpy(blocks_.back().get(), s.data(), s.size());
    return {blocks_.back().get(), s.size()};
  }
  void end() { blocks_.clear(); }

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
};

inline std::string text_of(const Fields& fields) {
  std::string s;
  for (const Field& f : fields) s += (s.empty() ? "" : "; ") + std::string(f.name) + ": " + std::string(f.value);
  return s;
}

// What one message's receiver was told.
struct Told {
  std::string body;
  std::string trailers;
  int ends = 0, resets = 0, blocked = 0, unblocked = 0;
  End reset;
  std::string reset_text() const { return std::to_string(reset.http_status()) + " " + reset.detail; }
};

// The writing half of both peers: collects what a codec produces, as a stream with a limited kernel would.
class PeerStream {
 public:
  std::string wire;               // everything that has left
  size_t room = size_t(1) << 20;  // what produce() may give at once
  size_t stream_holds = 0;        // what produced() is told
  bool blocked = false;           // the stream takes nothing

  void flush(Codec& codec) {
    for (int i = 0; i < 1000000 && asked_; ++i) {
      asked_ = false;
      pump(codec);
    }
  }
  void pump(Codec& codec) {
    for (;;) {
      Output out;
      if (!blocked) codec.produce(out, room);
      size_t size = 0;
      for (Bytes b : out.slices()) {
        wire.append(b);
        size += b.size();
      }
      codec.produced(stream_holds);
      if (size == 0 || size < room) return;
    }
  }
  void ask() { asked_ = true; }

 private:
  bool asked_ = false;
};

// A downstream session without anything above it.
class ServerPeer final : public ServerHost {
 public:
  struct Request final : Receiver, Told {
    RequestPtr head;
    ResponseSender* sender = nullptr;
    std::function<void(Request&)> on_ended;
    std::string canonical() const {
      std::string s =
          std::string(head->method_name) + " " + std::string(head->authority) + " " + std::string(head->target);
      if (!head->fields.empty()) s += " {" + text_of(head->fields) + "}";
      if (head->content_length) s += " length=" + std::to_string(*head->content_length);
      if (head->expect_continue) s += " expect";
      if (head->te_trailers) s += " te";
      if (!head->upgrade.empty()) s += " upgrade=" + std::string(head->upgrade);
      if (!body.empty()) s += " body=" + body;
      if (!trailers.empty()) s += " trailers={" + trailers + "}";
      return s;
    }
    void on_body(Bytes b) override { body.append(b); }
    void on_trailers(const Fields& f) override { trailers = text_of(f); }
    void on_end() override {
      ++ends;
      if (on_ended) on_ended(*this);
    }
    void on_reset(const End& e) override {
      ++resets;
      reset = e;
    }
    void on_blocked() override { ++blocked; }
    void on_unblocked() override { ++unblocked; }
  };

  explicit ServerPeer(CodecLimits limits = {}) : codec(h1_server(*this, limits)) {}

  // One turn with these bytes from the client.
  void receive(Bytes bytes) {
    codec->receive(turn.add(bytes));
    end_turn();
  }
  void eof() {
    codec->receive_eof();
    end_turn();
  }
  void end_turn() {
    out.flush(*codec);
    turn.end();
  }
  // Answers a request with a body in one piece.
  void answer(Request& r, uint16_t status, Bytes body, bool with_length = true) {
    ResponsePtr h = make_response();
    h->status = status;
    h->has_body = !body.empty();
    if (with_length) h->content_length = body.size();
    r.sender->send_head(*h);
    if (!body.empty()) {
      r.sender->send_body(turn.add(body));
      r.sender->send_end(nullptr);
    }
    r.sender->release();
  }
  // Everything that reached the host, in order: requests, refusals.
  std::string verdicts() const {
    std::string s;
    for (const std::string& v : refused) s += (s.empty() ? "" : " | ") + v;
    return s;
  }

  RequestReceiver* on_request(RequestPtr head, ResponseSender& sender) override {
    requests.emplace_back();
    Request& r = requests.back();
    r.head = std::move(head);
    r.sender = &sender;
    r.on_ended = on_ended;
    if (on_new) on_new(r);
    return &r;
  }
  void on_bad_request(const End& end, ResponseSender& sender) override {
    refused.push_back(std::to_string(end.http_status()) + " " + end.detail);
    if (!answers_refused) return;
    ResponsePtr h = make_response();
    h->status = end.http_status();
    h->content_length = 0;
    sender.send_head(*h);
  }
  void on_idle() override { ++idles; }
  void request_flush() override { out.ask(); }
  void reading_changed() override { ++reading_changes; }
  void request_close(const End& end) override {
    ++closes;
    close = end;
  }
  void request_shutdown() override { ++shutdowns; }

  std::unique_ptr<ServerCodec> codec;
  PeerStream out;
  TurnBytes turn;
  std::deque<Request> requests;
  std::vector<std::string> refused;
  std::function<void(Request&)> on_new, on_ended;
  bool answers_refused = true;
  int idles = 0, closes = 0, shutdowns = 0, reading_changes = 0;
  End close;
};

// An upstream connection without anything above it.
class ClientPeer final : public ClientHost {
 public:
  struct Response final : ResponseReceiver, Told {
    ResponsePtr head;
    std::vector<std::string> informational;
    RequestSender* sender = nullptr;
    bool release_at_end = true;
    std::function<void()> on_head_told;
    std::string canonical() const {
      if (!head) return "";
      std::string s = std::to_string(head->status);
      if (!head->fields.empty()) s += " {" + text_of(head->fields) + "}";
      if (head->content_length) s += " length=" + std::to_string(*head->content_length);
      if (!body.empty()) s += " body=" + body;
      if (!trailers.empty()) s += " trailers={" + trailers + "}";
      return s;
    }
    void on_informational(ResponsePtr h) override {
      informational.push_back(std::to_string(h->status) + (h->fields.empty() ? "" : " " + text_of(h->fields)));
    }
    void on_head(ResponsePtr h) override {
      head = std::move(h);
      if (on_head_told) on_head_told();
    }
    void on_body(Bytes b) override { body.append(b); }
    void on_trailers(const Fields& f) override { trailers = text_of(f); }
    void on_end() override {
      ++ends;
      if (release_at_end) sender->release();
    }
    void on_reset(const End& e) override {
      ++resets;
      reset = e;
      if (release_at_end) sender->release();
    }
    void on_blocked() override { ++blocked; }
    void on_unblocked() override { ++unblocked; }
  };

  explicit ClientPeer(CodecLimits limits = {}) : codec(h1_client(*this, limits)) {}

  RequestSender& start(Response& r) {
    r.sender = &codec->start(r);
    return *r.sender;
  }
  // Starts a request without a body and sends it.
  void get(Response& r, Bytes target = "/", Bytes method = "GET") {
    RequestPtr h = make_request();
    h->method_name = method;
    h->method = method_of(method);
    h->authority = "up.example";
    h->target = target;
    start(r).send_head(*h);
    end_turn();
  }
  void receive(Bytes bytes) {
    codec->receive(turn.add(bytes));
    end_turn();
  }
  void eof() {
    codec->receive_eof();
    end_turn();
  }
  void end_turn() {
    out.flush(*codec);
    turn.end();
  }

  void on_capacity() override { ++capacities; }
  void request_flush() override { out.ask(); }
  void reading_changed() override { ++reading_changes; }
  void request_close(const End& end) override {
    ++closes;
    close = end;
  }
  void request_shutdown() override { ++shutdowns; }

  std::unique_ptr<ClientCodec> codec;
  PeerStream out;
  TurnBytes turn;
  int capacities = 0, closes = 0, shutdowns = 0, reading_changes = 0;
  End close;
};

}  // namespace cardea::http::testing
