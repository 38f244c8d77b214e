// A proxy with one public route "a" to one service, and its metrics as they are read.
#pragma once

#include "prometheus_text.h"
#include "proxy/metrics.h"
#include "proxy_fixture.h"

namespace cardea::test {

class Metrics : public testing::Test, public ProxyFixture {
 public:
  void TearDown() override {
    stop();
    clients.clear();
    service.reset();
  }
  // One public route "a" to one service.
  void begin(const std::string& lines = "", const std::string& global = "") {
    service = serve("10.0.0.1:80", false);
    start(file(route("http://10.0.0.1:80", "name: a\n" + lines), global));
  }
  Scrape scrape() const {
    Scrape s(metrics_text(*proxy));
    EXPECT_EQ(s.fault, "");
    return s;
  }
  double value(const std::string& sample) const { return scrape().value(sample); }
  TestClient& client(bool h2 = false) { return *clients.emplace_back(connect(h2)); }
  void answer(int status = 200, const std::string& path = "/") {
    service->respond(service->expect("GET", path), status, "ok");
  }

  std::unique_ptr<TestService> service;
  std::vector<std::unique_ptr<TestClient>> clients;
};

}  // namespace cardea::test
