// One endpoint's URL: what each form means, and why others are refused.
#include <gtest/gtest.h>

#include "cluster/discovery.h"

namespace cardea::cluster {
namespace {

using Scheme = EndpointConfig::Scheme;

TEST(EndpointUrl, Forms) {
  const struct {
    const char* text;
    EndpointConfig config;
    const char* path;
  } rows[] = {
      {"http://a", {Scheme::http, "a", 80, false, false, 1, 0, "a"}, ""},
      {"HTTPS://A.Example:443/", {Scheme::https, "a.example", 443, false, false, 1, 0, "a.example"}, "/"},
      {"https://a:8443/x,7", {Scheme::https, "a", 8443, false, false, 7, 0, "a:8443"}, "/x"},
      {"h2c://[2001:db8::A]:1", {Scheme::h2c, "2001:db8::a", 1, false, false, 1, 0, "[2001:db8::a]:1"}, ""},
      {"tcp://a:22/", {Scheme::tcp, "a", 22, false, false, 1, 0, "a:22"}, ""},
      {"http+unix:///run/s", {Scheme::http, "/run/s", 0, true, false, 1, 0, "localhost"}, ""},
      {"https+unix:///run/s,2", {Scheme::https, "/run/s", 0, true, false, 2, 0, "localhost"}, ""},
      {"srv://App.Example", {Scheme::http, "app.example", 0, false, true, 1, 0, "app.example"}, ""},
      {"srv://_http._tcp.app.example/x",
       {Scheme::http, "_http._tcp.app.example", 0, false, true, 1, 0, "app.example"},
       "/x"},
      {"srv+https://_a._tcp.b", {Scheme::https, "_a._tcp.b", 0, false, true, 1, 0, "b"}, ""},
      {"srv+h2c://a", {Scheme::h2c, "a", 0, false, true, 1, 0, "a"}, ""},
  };
  for (const auto& row : rows) {
    const ParsedEndpoint got = parse_endpoint(row.text);
    EXPECT_EQ(got.fault, "") << row.text;
    EXPECT_EQ(got.config, row.config) << row.text << ": " << got.config.host << " " << got.config.authority;
    EXPECT_EQ(got.path, row.path) << row.text;
    EXPECT_EQ(got.has_weight, std::string(row.text).find(',') != std::string::npos) << row.text;
  }
}

TEST(EndpointUrl, Faults) {
  const char* srv = "needs a name that has SRV records: srv://_http._tcp.example.com";
  const struct {
    const char *text, *fault;
  } rows[] = {
      {"", "must be a URL such as https://host:443"},
      {"a:80", "must be a URL such as https://host:443"},
      {"ftp://a", "must begin with http://, https://, h2c://, srv://, http+unix:// or https+unix://"},
      {"udp://a:1", "not supported yet: udp"},
      {"ssh://a:1", "not supported by cardea: ssh"},
      {"http://", "has no valid host"},
      {"http://a..b", "has no valid host"},
      {"http://a:0", "has no valid host"},
      {"http://a:65536", "has no valid host"},
      {"http://[::1", "has no valid host"},
      {"http://[1.2.3.4]", "has no valid host"},
      {"http://a~b", "has no valid host"},
      {"http://u@a", "may not have a user"},
      {"http://a?x", "may not have a query or a fragment"},
      {"http://a/x#y", "may not have a query or a fragment"},
      {"http://a/x y", "has characters that cannot stand in a path"},
      {"http://a,0", "has no valid weight behind its comma"},
      {"http://a,", "has no valid weight behind its comma"},
      {"http://a,-1", "has no valid weight behind its comma"},
      {"http://a,4294967296", "has no valid weight behind its comma"},
      {"tcp://a", "needs a port: tcp://host:22"},
      {"tcp://a:1/x", "may not have a path"},
      {"http+unix://run", "has no valid socket path: http+unix:///run/service.sock"},
      {"http+unix:///", "has no valid socket path: http+unix:///run/service.sock"},
      {"srv://a:80", "may not have a port: SRV records have their own"},
      {"srv://a,2", "may not have a weight: SRV records have their own"},
      {"srv://10.0.0.1", srv},
      {"srv+https://[::1]", srv},
      {"srv://_http._tcp", srv},
      {"srv://", "has no valid host"},
  };
  for (const auto& row : rows) EXPECT_EQ(parse_endpoint(row.text).fault, row.fault) << row.text;
}

}  // namespace
}  // namespace cardea::cluster
