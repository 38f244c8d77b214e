// PROXY protocol headers and bytes that were read before: streams whose beginning is special.
#include "net/prefix.h"

#include <arpa/inet.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace cardea::net {

namespace {

constexpr std::string_view kSignatureV2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kMaxV1 = 107, kHeadV2 = 16, kMaxV2 = 4096;

ProxyHeader bad(const char* rule) {
  ProxyHeader h;
  h.state = ProxyHeader::State::bad;
  h.rule = rule;
  return h;
}

// The next word of a v1 line; single spaces only.
Bytes word(Bytes& line) {
  const size_t end = std::min(line.find(' '), line.size());
  Bytes w = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return w;
}

bool port_of(Bytes text, uint16_t& port) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return false;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size();
}

ProxyHeader parse_v1(Bytes bytes) {
  const size_t newline = bytes.substr(0, kMaxV1).find("\r\n");
  if (newline == Bytes::npos) return bytes.size() >= kMaxV1 ? bad("v1_too_long") : ProxyHeader{};
  ProxyHeader h;
  h.size = newline + 2;
  h.state = ProxyHeader::State::ok;
  Bytes line = bytes.substr(0, newline);
  if (line.find_first_of(std::string_view("\0\r\n", 3)) != Bytes::npos) return bad("v1_control");
  word(line);  // PROXY
  const Bytes family = word(line);
  if (family == "UNKNOWN") return h;
  if (family != "TCP4" && family != "TCP6") return bad("v1_family");
  const Bytes source = word(line), destination = word(line), source_port = word(line), destination_port = word(line);
  if (!line.empty() || bytes[newline - 1] == ' ') return bad("v1_fields");
  uint16_t from_port, to_port;
  if (!port_of(source_port, from_port) || !port_of(destination_port, to_port)) return bad("v1_port");
  auto from = Address::ip(source, from_port), to = Address::ip(destination, to_port);
  const int wanted = family == "TCP4" ? AF_INET : AF_INET6;
  if (!from || !to || from->family() != wanted || to->family() != wanted) return bad("v1_address");
  h.source = *from;
  h.destination = *to;
  h.has_addresses = true;
  return h;
}

uint16_t big16(Bytes b, size_t at) {
  return uint16_t(static_cast<unsigned char>(b[at]) << 8 | static_cast<unsigned char>(b[at + 1]));
}

Address v4(Bytes b, size_t address, size_t port) {
  sockaddr_in sa{};
  sa.sin_family = AF_INET;
  memcpy(&sa.sin_addr, b.data() + address, 4);
  sa.sin_port = htons(big16(b, port));
  return Address::from(reinterpret_cast<sockaddr*>(&sa), sizeof sa);
}
Address v6(Bytes b, size_t address, size_t port) {
  sockaddr_in6 sa{};
  sa.sin6_family = AF_INET6;
  memcpy(&sa.sin6_addr, b.data() + address, 16);
  sa.sin6_port = htons(big16(b, port));
  return Address::from(reinterpret_cast<sockaddr*>(&sa), sizeof sa);
}

bool tlvs_add_up(Bytes b) {
  while (!b.empty()) {
    if (b.size() < 3 || b.size() < size_t{3} + big16(b, 1)) return false;
    b.remove_prefix(size_t{3} + big16(b, 1));
  }
  return true;
}

ProxyHeader parse_v2(Bytes bytes) {
  if (bytes.size() < kHeadV2) return {};
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned command = byte(12) & 15, family = byte(13) >> 4, transport = byte(13) & 15;
  const size_t length = big16(bytes, 14);
  if (byte(12) >> 4 != 2) return bad("v2_version");
  if (command > 1) return bad("v2_command");
  if (family > 3 || transport > 2) return bad("v2_family");
  if (kHeadV2 + length > kMaxV2) return bad("v2_too_long");
  if (bytes.size() < kHeadV2 + length) return {};
  ProxyHeader h;
  h.state = ProxyHeader::State::ok;
  h.size = kHeadV2 + length;
  if (command == 0) return h;  // LOCAL: the proxy's own check
  const size_t addresses = family == 1 ? 12 : family == 2 ? 36 : family == 3 ? 216 : 0;
  if (length < addresses) return bad("v2_length");
  if (family != 0 && !tlvs_add_up(bytes.substr(kHeadV2 + addresses, length - addresses))) return bad("v2_tlv");
  if (transport != 1) return h;
  if (family == 1) {
    h.source = v4(bytes, 16, 24);
    h.destination = v4(bytes, 20, 26);
    h.has_addresses = true;
  } else if (family == 2) {
    h.source = v6(bytes, 16, 48);
    h.destination = v6(bytes, 32, 50);
    h.has_addresses = true;
  }
  return h;
}

// Passes everything through to the stream below; its two children differ in what comes first.
class PrefixStream : public Stream, protected StreamEvents {
 public:
  PrefixStream(Loop& loop, std::unique_ptr<Stream> below) : loop_(loop), below_(std::move(below)) {}
  void set_events(StreamEvents* events) override {
    events_ = events;
    below_->set_events(events ? static_cast<StreamEvents*>(this) : nullptr);
  }
  void stop_read() override { below_->stop_read(); }
  void write(const Slice* slices, size_t count) override { below_->write(slices, count); }
  size_t queued() const override { return below_->queued(); }
  void shutdown() override { below_->shutdown(); }
  void set_reset_on_close() override { below_->set_reset_on_close(); }
  const Address& peer() const override { return below_->peer(); }
  const Address& local() const override { return below_->local(); }
  const TlsSession* tls() const override { return below_->tls(); }
  void set_nodelay(bool on) override { below_->set_nodelay(on); }
  void set_keepalive(unsigned seconds) override { below_->set_keepalive(seconds); }

 protected:
  void on_open() override { events_->on_open(); }
  void on_data(char* data, size_t n) override { events_->on_data(data, n); }
  void on_eof() override { events_->on_eof(); }
  void on_drained() override { events_->on_drained(); }
  void on_error(const StreamError& error) override { events_->on_error(error); }

  Loop& loop_;
  std::unique_ptr<Stream> below_;
  StreamEvents* events_ = nullptr;
};

class ProxyHeaderStream final : public PrefixStream {
 public:
  using PrefixStream::PrefixStream;
  void start_read(size_t max) override { below_->start_read(max); }
  const Address& peer() const override { return header_.has_addresses ? header_.source : below_->peer(); }
  const Address& local() const override { return header_.has_addresses ? header_.destination : below_->local(); }

 private:
  void on_data(char* data, size_t n) override {
    if (done_) return events_->on_data(data, n);
    const size_t before = first_.size();
    // Never keep more than a header can have: what is behind it stays where it is.
    first_.append(data, std::min(n, kMaxV2 - std::min(before, kMaxV2)));
    header_ = parse_proxy_header(first_);
    if (header_.state == ProxyHeader::State::incomplete) return;
    done_ = true;
    if (header_.state == ProxyHeader::State::bad) {
      below_->stop_read();
      return events_->on_error({StreamError::os, EPROTO, std::string("PROXY header: ") + header_.rule});
    }
    first_ = {};
    const size_t used = header_.size - before;
    if (used < n) events_->on_data(data + used, n - used);
  }
  void on_eof() override {
    if (done_) return events_->on_eof();
    done_ = true;
    events_->on_error({StreamError::os, EPROTO, "PROXY header: the connection ended in it"});
  }
  ProxyHeader header_;
  std::string first_;
  bool done_ = false;
};

class PrereadStream final : public PrefixStream {
 public:
  PrereadStream(Loop& loop, std::unique_ptr<Stream> below, std::string bytes)
      : PrefixStream(loop, std::move(below)), bytes_(std::move(bytes)), timer_(loop, [this] { deliver(); }) {}
  void start_read(size_t max) override {
    reading_ = true;
    max_ = max;
    if (bytes_.empty()) return below_->start_read(max);
    timer_.start(0);
  }
  void stop_read() override {
    reading_ = false;
    timer_.stop();
    below_->stop_read();
  }

 private:
  void deliver() {
    if (!reading_ || !events_) return;
    std::string part = bytes_.substr(0, max_);
    bytes_.erase(0, part.size());
    // Before the call, which may end this object's use (it is deleted at the end of the turn at the earliest).
    if (bytes_.empty()) {
      bytes_ = {};
      below_->start_read(max_);
    } else {
      timer_.start(0);
    }
    delivered_ = std::move(part);  // lasts until the end of the turn, as borrowed bytes must
    events_->on_data(delivered_.data(), delivered_.size());
  }
  std::string bytes_, delivered_;
  Timer timer_;
  size_t max_ = 0;
  bool reading_ = false;
};

}  // namespace

ProxyHeader parse_proxy_header(Bytes bytes) {
  const size_t n = std::min(bytes.size(), kSignatureV2.size());
  if (bytes.substr(0, n) == kSignatureV2.substr(0, n)) return n < kSignatureV2.size() ? ProxyHeader{} : parse_v2(bytes);
  constexpr std::string_view kV1 = "PROXY ";
  const size_t m = std::min(bytes.size(), kV1.size());
  if (bytes.substr(0, m) != kV1.substr(0, m)) return bad("no_header");
  return m < kV1.size() ? ProxyHeader{} : parse_v1(bytes);
}

std::unique_ptr<Stream> expect_proxy_header(Loop& loop, std::unique_ptr<Stream> plain) {
  return std::make_unique<ProxyHeaderStream>(loop, std::move(plain));
}

std::unique_ptr<Stream> with_preread(Loop& loop, std::unique_ptr<Stream> plain, std::string bytes) {
  return std::make_unique<PrereadStream>(loop, std::move(plain), std::move(bytes));
}

}  // namespace cardea::net
