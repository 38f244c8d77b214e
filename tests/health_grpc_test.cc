// What a gRPC check asks, and every answer that it can get.
#include <algorithm>

#include "health_fixture.h"

namespace cardea::health {
namespace {

// ---- gRPC -----------------------------------------------------------------------------------------

std::string message(const std::string& bytes, char flag = 0) {
  const size_t n = bytes.size();
  return std::string{flag, char(n >> 24), char(n >> 16), char(n >> 8), char(n)} + bytes;
}

TEST_F(ProbeTest, GrpcAsksForAService) {
  for (const std::string& name : {std::string(), std::string("my.Service"), std::string(200, 'n')}) {
    checks.clear();
    add(Kind::grpc).service_name = name;
    checks[0].authority = name.empty() ? "" : "grpc.example";
    TestService& s = serve_http(true);
    make();
    auto& r = s.expect("POST", "/grpc.health.v1.Health/Check");
    EXPECT_EQ(r.authority, name.empty() ? "service.example" : "grpc.example");
    EXPECT_EQ(r.header("content-type"), "application/grpc");
    EXPECT_EQ(r.header("te"), "trailers");
    std::string field;
    if (name.size() == 200) field = "\x0a\xc8\x01" + name;
    if (name.size() == 10) field = "\x0a\x0a" + name;
    EXPECT_EQ(r.body.text, message(field));
    drop();
    loop.run();
  }
}

struct GrpcRow {
  int status;
  Headers head;
  std::string body;
  Headers trailers;
  const char* attempt;
};

class Grpc : public ProbeTest, public testing::WithParamInterface<GrpcRow> {};

TEST_P(Grpc, AnswersAreJudged) {
  const GrpcRow& row = GetParam();
  for (const bool bytewise : {false, true}) {
    checks.clear();
    add(Kind::grpc);
    TestService& s = serve_http(true);
    make();
    auto& r = s.expect("POST", "/grpc.health.v1.Health/Check");
    s.head(r, row.status, row.head);
    for (size_t i = 0; i < row.body.size() && attempts.empty(); i += bytewise ? 1 : row.body.size()) {
      s.body(r, bytewise ? row.body.substr(i, 1) : row.body);
    }
    if (attempts.empty()) s.end(r, row.trailers);
    EXPECT_EQ(last(), row.attempt);
    attempts.clear();
    drop();
    loop.run();
  }
}

const Headers kGrpc = {{"content-type", "application/grpc"}};
const Headers kOk = {{"grpc-status", "0"}};
const GrpcRow kGrpcRows[] = {
    {200, kGrpc, message("\x08\x01"), kOk, "success: passed"},
    {200, {{"content-type", "application/grpc+proto"}}, message("\x08\x01"), kOk, "success: passed"},
    {200, {{"content-type", "application/grpc;x=y"}}, message("\x08\x01"), kOk, "success: passed"},
    {200, kGrpc, message(""), kOk, "immediate: grpc UNKNOWN"},
    {200, kGrpc, message("\x08\x02"), kOk, "immediate: grpc NOT_SERVING"},
    {200, kGrpc, message("\x08\x03"), kOk, "immediate: grpc SERVICE_UNKNOWN"},
    {200, kGrpc, message("\x08\x04"), kOk, "immediate: grpc status of no known meaning"},
    {200, kGrpc, message("\x08\x81\x80\x80\x80\x10"), kOk, "immediate: grpc status of no known meaning"},
    {200, kGrpc, message("\x08\x02\x08\x01"), kOk, "success: passed"},  // the last one counts
    {200, kGrpc,
     message("\x12\x03"
             "abc\x08\x01\x18\x05"),
     kOk, "success: passed"},  // fields of a later version
    {200, kGrpc,
     message("\x0d"
             "aaaa\x08\x01"),
     kOk, "immediate: grpc: a message that is not protobuf"},
    {200, kGrpc,
     message("\x15"
             "aaaa\x19"
             "aaaaaaaa\x08\x01"),
     kOk, "success: passed"},
    {200, kGrpc,
     message("\x12\x7f"
             "abc"),
     kOk, "immediate: grpc: a message that is not protobuf"},
    {200, kGrpc, message("\x08"), kOk, "immediate: grpc: a message that is not protobuf"},
    {200, kGrpc, message("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), kOk,
     "immediate: grpc: a message that is not protobuf"},
    {200, kGrpc, message("\x0b\x0c"), kOk, "immediate: grpc: a message that is not protobuf"},
    {200, kGrpc, message(std::string("\0\1", 2)), kOk, "immediate: grpc: a message that is not protobuf"},
    {200, kGrpc, message("\x08\x01", 1), kOk, "immediate: grpc: a compressed message"},
    {200, kGrpc, message("\x08\x01") + message("\x08\x01"), kOk, "immediate: grpc: more than one message"},
    {200, kGrpc, std::string("\0\xff\xff\xff\xff", 5), kOk, "immediate: grpc: a message of 4294967295 bytes"},
    {200, kGrpc, std::string("\0\0\0\1\1", 5), kOk, "immediate: grpc: a message of 257 bytes"},
    {200, kGrpc, std::string("\0\0\0\0\2\x08", 6), kOk, "immediate: grpc: no message"},
    {200, kGrpc, "", kOk, "immediate: grpc: no message"},
    {200, kGrpc, message("\x08\x01"), {}, "immediate: grpc: no grpc-status"},
    {200, kGrpc, message("\x08\x01"), {{"grpc-status", "x"}}, "immediate: grpc: grpc-status is not a number"},
    {200, kGrpc, message("\x08\x01"), {{"grpc-status", "99999"}}, "immediate: grpc: grpc-status is not a number"},
    {200, kGrpc, message("\x08\x01"), {{"grpc-status", "14"}}, "immediate: grpc-status 14 UNAVAILABLE"},
    {200, kGrpc, "", {{"grpc-status", "12"}}, "immediate: grpc-status 12 UNIMPLEMENTED"},
    {200, kGrpc, "", {{"grpc-status", "77"}}, "immediate: grpc-status 77"},
    {200, {{"content-type", "application/grpc"}, {"grpc-status", "5"}}, "", {}, "immediate: grpc-status 5 NOT_FOUND"},
    {200, {{"content-type", "text/html"}}, "<html>", {}, "immediate: grpc: the content type is another"},
    {200, {{"content-type", "application/grpc-web"}}, "", {}, "immediate: grpc: the content type is another"},
    {200, {}, "", {}, "immediate: grpc: the content type is another"},
    {503, {}, "", {}, "immediate: http 503"},
};
INSTANTIATE_TEST_SUITE_P(Rows, Grpc, testing::ValuesIn(kGrpcRows));

TEST_F(ProbeTest, GrpcStreamsThatAreResetFail) {
  add(Kind::grpc);
  TestService& s = serve_http(true);
  make();
  s.cut(s.expect("POST", "/grpc.health.v1.Health/Check"));
  EXPECT_EQ(last().substr(0, 14), "failure: reset");
}

}  // namespace
}  // namespace cardea::health
