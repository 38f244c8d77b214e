// What a codec costs for one request and its answer: bytes in, callbacks, bytes out. Both protocols, both sides. Nobody
// copies what comes out: that is the stream's work.
//
//   server: reads the request and writes the answer. client: writes the request and reads the answer.
//   get: no body either way; browser: with the fields of one; answer and post: a body, open: without a length.
#include "meter.h"

#include "http/http.h"
#include "messages.h"
#include "run.h"

namespace {

using namespace cardea;
using bench::Body;

// As a wire does it: a read of so many bytes is a turn, and room for so many bytes of output.
constexpr size_t kDownstreamRead = 32 * 1024, kUpstreamRead = 64 * 1024, kRoom = 128 * 1024;
constexpr int kWarmUp = 64;

Millis standing_clock(void*) {
  return 1'000'000;
}

struct Case {
  const char* name;
  bool browser;
  Body request, answer;
};
const Case kCases[] = {
    {"get", false, {}, {}},
    {"get_browser", true, {}, {}},
    {"answer_1k", false, {}, {Body::length, 1024}},
    {"answer_1k_open", false, {}, {Body::open, 1024}},
    {"answer_64k", false, {}, {Body::length, 65536}},
    {"answer_64k_open", false, {}, {Body::open, 65536}},
    {"post_1k", false, {Body::length, 1024}, {}},
    {"post_1k_open", false, {Body::open, 1024}, {}},
    {"post_64k", false, {Body::length, 65536}, {}},
    {"post_64k_open", false, {Body::open, 65536}, {}},
};

// A head for the codec to write.
template <class H>
void fill(H& head, const bench::List& fields, const Body& body) {
  for (const auto& [name, value] : fields) head.fields.add(head.arena.copy(name), head.arena.copy(value));
  head.has_body = body.size > 0;
  if (body.framing != Body::open) head.content_length = body.size;
}

// The connection around a codec, and the receiver of its one message at a time.
template <class Host, class Receiver>
class Side : public Host, public Receiver {
 public:
  void request_flush() override { flush_wanted_ = true; }
  void reading_changed() override {}
  void request_close(const http::End&) override { broken_ = true; }
  void on_body(Bytes bytes) override { body_in_ += bytes.size(); }
  void on_trailers(const http::Fields&) override {}
  void on_reset(const http::End&) override { broken_ = true; }
  void on_blocked() override {}
  void on_unblocked() override {}

  bool is_broken() const { return broken_; }
  size_t done() const { return done_; }
  size_t body_in() const { return body_in_; }
  size_t bytes_out() const { return bytes_out_; }

 protected:
  void feed(http::Codec& codec, Bytes bytes, size_t read) {
    while (!bytes.empty()) {
      codec.receive(bytes.substr(0, read));
      flush(codec);
      bytes.remove_prefix(std::min(read, bytes.size()));
    }
  }
  void flush(http::Codec& codec) {
    while (std::exchange(flush_wanted_, false)) {
      out_.clear();
      codec.produce(out_, kRoom);
      for (Bytes slice : out_.slices()) bytes_out_ += slice.size();
      benchmark::DoNotOptimize(out_.slices().data());
      out_.clear();
      codec.produced(0);
    }
  }
  void send_body(http::Sender& sender, size_t size) {
    bench::each_piece(size, [&](Bytes piece, bool) { sender.send_body(piece); });
    if (size) sender.send_end(nullptr);
  }

  bool flush_wanted_ = true, broken_ = false;
  size_t done_ = 0, body_in_ = 0, bytes_out_ = 0;
  http::Output out_;
};

class ServerSide final : public Side<http::ServerHost, http::Receiver> {
 public:
  ServerSide(bool h2, const Case& c)
      : codec_(h2 ? http::h2_server(*this, {}, standing_clock, nullptr) : http::h1_server(*this, {})),
        answer_(http::make_response()),
        answer_size_(c.answer.size) {
    answer_->status = 200;
    fill(*answer_, bench::answer_fields(), c.answer);
  }
  http::Codec& codec() { return *codec_; }
  void begin() {}
  void receive(Bytes bytes) { feed(*codec_, bytes, kDownstreamRead); }

 private:
  http::RequestReceiver* on_request(http::RequestPtr head, http::ResponseSender& sender) override {
    head_ = std::move(head);
    sender_ = &sender;
    return this;
  }
  void on_bad_request(const http::End&, http::ResponseSender&) override { broken_ = true; }
  void on_idle() override {}
  void on_end() override {
    sender_->send_head(*answer_);
    send_body(*sender_, answer_size_);
    sender_->release();
    head_.reset();
    ++done_;
  }

  std::unique_ptr<http::ServerCodec> codec_;
  http::ResponsePtr answer_;
  const size_t answer_size_;
  http::RequestPtr head_;
  http::ResponseSender* sender_ = nullptr;
};

class ClientSide final : public Side<http::ClientHost, http::ResponseReceiver> {
 public:
  ClientSide(bool h2, const Case& c)
      : codec_(h2 ? http::h2_client(*this, {}, standing_clock, nullptr) : http::h1_client(*this, {})),
        request_(http::make_request()),
        request_size_(c.request.size) {
    request_->method_name = c.request.size ? "POST" : "GET";
    request_->method = http::method_of(request_->method_name);
    request_->scheme = "http";
    request_->authority = "app00000.example.com";
    request_->target = bench::kTarget;
    fill(*request_, bench::request_fields(c.browser), c.request);
    if (!c.request.size) request_->content_length.reset();
  }
  http::Codec& codec() { return *codec_; }
  void begin() {
    sender_ = &codec_->start(*this);
    sender_->send_head(*request_);
    send_body(*sender_, request_size_);
    flush(*codec_);
  }
  void receive(Bytes bytes) { feed(*codec_, bytes, kUpstreamRead); }

 private:
  void on_capacity() override {}
  void on_informational(http::ResponsePtr) override { broken_ = true; }
  void on_head(http::ResponsePtr head) override {
    broken_ |= head->status != 200;
    head_ = std::move(head);
  }
  void on_end() override {
    sender_->release();
    head_.reset();
    ++done_;
  }

  std::unique_ptr<http::ClientCodec> codec_;
  http::RequestPtr request_;
  const size_t request_size_;
  http::ResponsePtr head_;
  http::RequestSender* sender_ = nullptr;
};

// Who is at the other end: the same message each time, on the next stream.
class FarEnd {
 public:
  FarEnd(bool h2, bool client, const Case& c) : h2_(h2) {
    const std::string host = "app00000.example.com";
    if (h2) {
      const auto make = [&] {
        return client ? encoder_.request(host, c.browser, c.request) : encoder_.answer(c.answer);
      };
      first_ = make();
      message_ = make();
      greeting_ = bench::h2_greeting(client);
    } else {
      h1_ = client ? bench::h1_request(host, c.browser, c.request) : bench::h1_answer(c.answer);
    }
    sent_body_ = client ? c.answer.size : c.request.size;
  }
  const std::string& greeting() const { return greeting_; }
  const std::string* window_update() { return window_.is_due() ? &window_.update() : nullptr; }
  const std::string& next() {
    if (!h2_) return h1_;
    window_.take(sent_body_);
    next_id_ += 2;
    return (next_id_ == 1 ? first_ : message_).on(uint32_t(next_id_));
  }

 private:
  const bool h2_;
  bench::H2Encoder encoder_;
  bench::H2Message first_{"", {}}, message_{"", {}};
  bench::H2Window window_;
  std::string h1_, greeting_;
  size_t sent_body_ = 0;
  int64_t next_id_ = -1;
};

template <class Codecs>
void one(Codecs& side, FarEnd& far) {
  side.begin();
  if (const std::string* update = far.window_update()) side.receive(*update);
  side.receive(far.next());
}

template <class Codecs>
void codec(benchmark::State& state, bool h2, const Case& c) {
  constexpr bool kServer = std::is_same_v<Codecs, ServerSide>;
  Codecs side(h2, c);
  FarEnd far(h2, kServer, c);
  side.receive(far.greeting());
  for (int i = 0; i < kWarmUp; ++i) one(side, far);

  const size_t done = side.done(), body_in = side.body_in(), out = side.bytes_out();
  const bench::Meter meter;
  for (auto _ : state) one(side, far);
  meter.report(state);
  const auto n = size_t(state.iterations());
  const size_t in_each = (kServer ? c.request : c.answer).size, out_each = (kServer ? c.answer : c.request).size;
  if (side.is_broken() || side.done() - done != n || side.body_in() - body_in != n * in_each ||
      side.bytes_out() - out < n * out_each) {
    bench::fail(state, "a message was lost");
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (bool h2 : {false, true}) {
    for (const Case& c : kCases) {
      const std::string protocol = h2 ? "/h2/" : "/h1/";
      benchmark::RegisterBenchmark(("server" + protocol + c.name).c_str(),
                                   [=, &c](benchmark::State& s) { codec<ServerSide>(s, h2, c); });
      benchmark::RegisterBenchmark(("client" + protocol + c.name).c_str(),
                                   [=, &c](benchmark::State& s) { codec<ClientSide>(s, h2, c); });
    }
  }
  return cardea::bench::run(argc, argv);
}
