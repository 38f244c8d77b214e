// Checks through real TLS over the loopback: what the handshake settles, and that its failures have a cause.
#include "health/checker.h"
#include "tls_peer.h"
#include "uv_net.h"

namespace cardea::health {
namespace {

class TlsChecks : public net::UvNet, public CheckerEvents, private net::AcceptEvents {
 protected:
  // A service that shows this certificate and answers HTTP/1.1 or echoes, whatever it is asked.
  void serve(const pki::Leaf& leaf) {
    server_ = *tls::ServerContext::make({.certificates = {key_pair(leaf)}, .alpn = {"http/1.1"}});
    listener = std::move(*network->listen(*net::Address::parse("127.0.0.1:0"), {}, *this));
  }
  // The cause of the first check.
  std::string check(CheckConfig::Kind kind, const std::string& name) {
    CheckConfig config;
    config.kind = kind;
    config.send = kind == CheckConfig::Kind::tcp ? "x" : "";
    config.receive = {"healthy"};
    Target target;
    target.id = 1;
    target.addresses = {listener->address()};
    target.authority = target.server_name = name;
    target.tls = *tls::ClientContext::make({.ca = {{authority.certificate(), "ca.pem"}}, .alpn = {"h2", "http/1.1"}});
    checker_ = Checker::make(loop, *network, {config}, *this, 1);
    checker_->set_targets({target});
    cause_.clear();
    EXPECT_TRUE(spin([&] { return !cause_.empty(); }));
    checker_.reset();
    peers_.clear();
    return cause_;
  }
  ~TlsChecks() override { peers_.clear(); }

  void on_verdict(uint64_t, CheckState::Verdict, bool, const std::string&) override {}
  void on_attempt(uint64_t, Outcome, const std::string& cause) override { cause_ = cause; }
  bool on_custom(uint64_t, const Target&, uint64_t) override { return false; }

  pki::Authority authority;

 private:
  void on_accept(std::unique_ptr<net::Stream> stream) override {
    peers_.push_back(std::make_unique<Owner>(loop));
    Owner& peer = *peers_.back();
    peer.take(server_->wrap(loop, std::move(stream)));
    peer.at_data = [&peer] { peer.write("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhealthy"); };
  }
  void on_accept_error(int) override {}

  std::shared_ptr<const tls::ServerContext> server_;
  std::unique_ptr<Checker> checker_;
  std::vector<std::unique_ptr<Owner>> peers_;
  std::string cause_;
};

TEST_F(TlsChecks, PassThroughTheRightCertificate) {
  serve(authority.issue({"service.example"}));
  EXPECT_EQ(check(CheckConfig::Kind::http, "service.example"), "passed");
  EXPECT_EQ(check(CheckConfig::Kind::tcp, "service.example"), "passed");
  EXPECT_EQ(check(CheckConfig::Kind::grpc, "service.example"), "tls: no HTTP/2 but http/1.1");
}

TEST_F(TlsChecks, SayWhyACertificateIsNotTaken) {
  serve(authority.issue({"other.example"}));
  EXPECT_EQ(check(CheckConfig::Kind::http, "service.example").substr(0, 12), "tls verify: ");
  serve(pki::Authority("Somebody else").issue({"service.example"}));
  EXPECT_EQ(check(CheckConfig::Kind::tcp, "service.example").substr(0, 12), "tls verify: ");
}

}  // namespace
}  // namespace cardea::health
