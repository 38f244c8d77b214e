// HTTP/2 towards services: requests, responses, refused and broken ones, goodbyes.
#include <gtest/gtest.h>

#include "h2_peer.h"

namespace cardea::http::test {
namespace {

std::string server_preface(Bytes entries = {}) {
  return settings(entries) + frame(kSettings, kAck, 0);
}
List ok(Bytes status = "200") {
  return {{":status", std::string(status)}};
}

TEST(H2Client, GreetsAndRefusesPush) {
  Client c;
  c.flush();
  EXPECT_FALSE(c.reader->broken);
  const Frame* f = c.reader->last(kSettings);
  ASSERT_TRUE(f);
  EXPECT_EQ(f->payload, setting(NGHTTP2_SETTINGS_ENABLE_PUSH, 0) +
                            setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 64 * 1024) +
                            setting(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 64 * 1024));
  EXPECT_TRUE(c.codec_->reusable());
  EXPECT_EQ(c.codec_->capacity(), 100u);
}

TEST(H2Client, SendsRequests) {
  Client c;
  Record& r = c.request("POST", "/p?q", true, 5, {{"Host", "evil"}, {"Connection", "x"}, {"X-A", "B"}, {"TE", "gzip"}});
  EXPECT_FALSE(r.up->anything_sent());
  c.body(r, "hel");
  c.body(r, "lo");
  c.end(r);
  c.flush();
  EXPECT_TRUE(r.up->anything_sent());
  const Frame* h = c.reader->last(kHeaders, 1);
  ASSERT_TRUE(h);
  EXPECT_EQ(h->fields, (List{{":method", "POST"},
                             {":scheme", "https"},
                             {":path", "/p?q"},
                             {":authority", "a.test"},
                             {"x-a", "B"},
                             {"content-length", "5"}}));
  EXPECT_EQ(c.reader->body(1), "hello");
  ASSERT_EQ(c.reader->all(kData, 1).size(), 1u);
  EXPECT_TRUE(c.reader->ended(1));
  Record& t = c.start();
  RequestPtr head = make_request();
  head->method_name = "GET";
  head->method = Method::get;
  head->scheme = "http";
  head->authority = "b.test";
  head->target = "/";
  head->te_trailers = true;
  t.up->send_head(*head);
  head.reset();
  c.flush();
  EXPECT_EQ(
      c.reader->last(kHeaders, 3)->fields,
      (List{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "b.test"}, {"te", "trailers"}}));
  EXPECT_TRUE(c.reader->ended(3));
}

TEST(H2Client, TakesResponsesHoweverTheyAreCut) {
  const std::string bytes = server_preface() + headers(1, ok("103"), kEndHeaders) +
                            headers(1, with(ok(), {{"content-length", "5"}, {"server", "s"}}), kEndHeaders) +
                            data(1, "he") + headers(3, with(ok(), {{"content-length", "5"}})) + data(1, "llo") +
                            headers(1, {{"x-t", "1"}, {"set-cookie", "no"}}) + headers(5, ok("204")) +
                            headers(7, ok("304"), kEndHeaders) + data(7, "", true) + headers(9, ok(), kEndHeaders) +
                            data(9, "x", true);
  for (size_t step : {0, 1, 2, 7, 9, 11}) {
    Client c;
    c.request();
    c.request("HEAD");
    for (int i = 0; i < 3; ++i) c.request();
    c.flush();
    c.feed(bytes, step);
    const char* want[] = {"    200 {server=s|} cl=5 body=hello trailers=x-t=1| end=1 i103",
                          "    200 {} cl=5 body= trailers= end=1", "    204 {} cl=- body= trailers= end=1",
                          "    304 {} cl=- body= trailers= end=1", "    200 {} cl=- body=x trailers= end=1"};
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(c.responses[i].verdict(), want[i]) << i << " step " << step;
      EXPECT_EQ(c.responses[i].has_body, i == 0 || i == 4);
      c.responses[i].release();
    }
    c.flush();
    EXPECT_EQ(c.codec().active(), 0u);
    EXPECT_EQ(c.codec_->capacity(), 100u);
    EXPECT_TRUE(c.codec_->reusable());
  }
}

struct BadResponse {
  const char* name;
  std::string bytes;  // on stream 1
  const char* detail;
};

TEST(H2Client, RefusesBadResponses) {
  std::string many;
  for (int i = 0; i < 33; ++i) many += headers(1, ok("103"), kEndHeaders);
  List long_list = ok(), fat = ok();
  for (int i = 0; i < 101; ++i) long_list.push_back({"a", "b"});
  for (int i = 0; i < 20; ++i) fat.push_back({"a", std::string(4000, 'x')});
  std::string fat_block = block(fat), fat_bytes = frame(kHeaders, kEndStream, 1, Bytes(fat_block).substr(0, 16000));
  for (size_t at = 16000; at < fat_block.size(); at += 16000) {
    fat_bytes +=
        frame(kContinuation, at + 16000 >= fat_block.size() ? kEndHeaders : 0, 1, Bytes(fat_block).substr(at, 16000));
  }
  const BadResponse rows[] = {
      {"status 099", headers(1, ok("099")), "status"},
      {"status 000", headers(1, ok("000")), "status"},
      {"status 600", headers(1, ok("600")), "status"},
      {"status 20", headers(1, ok("20")), "protocol_error"},
      {"status 2x0", headers(1, ok("2x0")), "protocol_error"},
      {"status 101", headers(1, ok("101"), kEndHeaders), "protocol_error"},
      {"no status", headers(1, {{"a", "b"}}), "protocol_error"},
      {"1xx ends the stream", headers(1, ok("100")), "protocol_error"},
      {"33 x 103", many, "too_many_informational"},
      {"connection field", headers(1, with(ok(), {{"connection", "x"}})), "protocol_error"},
      {"te: chunked", headers(1, with(ok(), {{"transfer-encoding", "chunked"}})), "protocol_error"},
      {"NUL in a value", headers(1, with(ok(), {{"a", std::string("x\0y", 3)}})), "protocol_error"},
      {"CRLF in a value", headers(1, with(ok(), {{"a", "x\r\nb: c"}})), "protocol_error"},
      {"two lengths", headers(1, with(ok(), {{"content-length", "5"}, {"content-length", "6"}})), "protocol_error"},
      {"bad length", headers(1, with(ok(), {{"content-length", "+5"}})), "protocol_error"},
      {"length without DATA", headers(1, with(ok(), {{"content-length", "5"}})), "protocol_error"},
      {"body too short", headers(1, with(ok(), {{"content-length", "5"}}), kEndHeaders) + data(1, "abc", true),
       "protocol_error"},
      {"body too long", headers(1, with(ok(), {{"content-length", "2"}}), kEndHeaders) + data(1, "abc"),
       "protocol_error"},
      {"DATA before HEADERS", data(1, "abc"), "protocol_error"},
      {"too many fields", headers(1, long_list), "head_too_long"},
      {"too many bytes", fat_bytes, "head_too_long"},
      {"trailers without end", headers(1, ok(), kEndHeaders) + headers(1, {{"a", "b"}}, kEndHeaders), "protocol_error"},
      {"trailers with status", headers(1, ok(), kEndHeaders) + headers(1, ok()), "protocol_error"},
  };
  for (const BadResponse& row : rows) {
    for (size_t step : {0, 1}) {
      SCOPED_TRACE(std::string(row.name) + " step " + std::to_string(step));
      Client c;
      Record& r = c.request();
      c.flush();
      c.feed(server_preface() + row.bytes, step);
      EXPECT_EQ(r.resets, 1);
      EXPECT_EQ(r.reset.cause, EndCause::upstream_protocol);
      EXPECT_STREQ(r.reset.detail, row.detail);
      EXPECT_EQ(r.ends, 0);
      EXPECT_EQ(c.codec().active(), 0u);
    }
  }
}

TEST(H2Client, NeverDeliversABodyWhereThereIsNone) {
  for (Bytes status : {"204", "304", "200"}) {
    Client c;
    Record& r = c.request(status == "200" ? "HEAD" : "GET");
    c.flush();
    c.feed(server_preface() + headers(1, ok(status), kEndHeaders) + data(1, "surprise", true));
    EXPECT_EQ(r.body, "");
    EXPECT_EQ(r.ends, 1);
    r.release();
    c.flush();
    EXPECT_EQ(c.codec().active(), 0u);
  }
}

TEST(H2Client, CapacityFollowsBothSides) {
  CodecLimits limits;
  limits.max_concurrent_streams = 5;
  Client c(limits);
  c.flush();
  EXPECT_EQ(c.codec_->capacity(), 5u);
  c.feed(server_preface(setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2)));
  EXPECT_EQ(c.codec_->capacity(), 2u);
  Record& a = c.request();
  c.request();
  EXPECT_EQ(c.codec_->capacity(), 0u);
  c.flush();
  int before = c.capacities;
  c.feed(headers(1, ok()));
  a.release();
  c.flush();
  EXPECT_EQ(c.codec_->capacity(), 1u);
  EXPECT_EQ(c.capacities, before + 1);
  c.feed(settings(setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100)));
  EXPECT_EQ(c.codec_->capacity(), 4u);
  EXPECT_EQ(c.capacities, before + 2);
}

TEST(H2Client, GoawayGivesBackWhatWasNotProcessed) {
  Client c;
  for (int i = 0; i < 3; ++i) c.request();
  c.flush();
  c.feed(server_preface() + frame(kGoaway, 0, 0, u32(1) + u32(0)));
  EXPECT_EQ(c.responses[0].resets, 0);
  for (int i : {1, 2}) {
    EXPECT_EQ(c.responses[i].resets, 1);
    EXPECT_EQ(c.responses[i].reset.cause, EndCause::upstream_reset);
    EXPECT_STREQ(c.responses[i].reset.detail, "refused_stream");
  }
  EXPECT_FALSE(c.codec_->reusable());
  EXPECT_EQ(c.codec_->capacity(), 0u);
  EXPECT_GE(c.capacities, 1);
  EXPECT_EQ(c.closes, 0);
  c.feed(headers(1, ok(), kEndHeaders) + data(1, "done", true));
  EXPECT_EQ(c.responses[0].body, "done");
  c.responses[0].release();
  c.flush();
  EXPECT_EQ(c.closes, 1);
}

TEST(H2Client, RequestsThatNeverLeftAreGivenBackToo) {
  Client c;
  c.flush();
  c.feed(server_preface());
  Record& r = c.request();
  // GOAWAY arrives before the request was written.
  std::string bytes = frame(kGoaway, 0, 0, u32(0) + u32(0));
  c.codec().receive(bytes);
  c.flush();
  EXPECT_EQ(r.resets, 1);
  EXPECT_STREQ(r.reset.detail, "refused_stream");
  EXPECT_TRUE(c.reader->all(kHeaders).empty());
}

struct UpstreamEnd {
  const char* name;
  std::string bytes;
  EndCause cause;
  const char* detail;
};

TEST(H2Client, TellsHowTheServiceBrokeOff) {
  const UpstreamEnd rows[] = {
      {"refused", rst(1, NGHTTP2_REFUSED_STREAM), EndCause::upstream_reset, "refused_stream"},
      {"reset", rst(1, NGHTTP2_INTERNAL_ERROR), EndCause::upstream_reset, "internal_error"},
      {"mid-body", headers(1, ok(), kEndHeaders) + data(1, "x") + rst(1, NGHTTP2_CANCEL), EndCause::upstream_reset,
       "cancel"},
      {"no error, no answer", rst(1, NGHTTP2_NO_ERROR), EndCause::upstream_reset, "no_error"},
      {"unknown code", rst(1, 12345), EndCause::upstream_reset, "unknown_error"},
      {"push", frame(kPush, kEndHeaders, 1, u32(2) + block(get())), EndCause::upstream_protocol, "h2_push"},
      {"garbage", "HTTP/1.1 400 Bad Request\r\n\r\n", EndCause::upstream_protocol, "protocol_error"},
      {"even stream", headers(2, ok()), EndCause::upstream_protocol, "protocol_error"},
  };
  for (const UpstreamEnd& row : rows) {
    for (size_t step : {0, 1}) {
      SCOPED_TRACE(row.name);
      Client c;
      Record& r = c.request();
      c.flush();
      c.feed((Bytes(row.name) == "garbage" ? "" : server_preface()) + row.bytes, step);
      EXPECT_EQ(r.resets, 1);
      EXPECT_EQ(r.reset.cause, row.cause);
      EXPECT_STREQ(r.reset.detail, row.detail);
      EXPECT_EQ(c.codec().active(), 0u);
    }
  }
}

TEST(H2Client, EndOfStreamTruncates) {
  Client c;
  Record& r = c.request();
  c.flush();
  c.feed(server_preface() + headers(1, ok(), kEndHeaders) + data(1, "x"));
  c.codec().receive_eof();
  EXPECT_EQ(r.resets, 1);
  EXPECT_EQ(r.reset.cause, EndCause::upstream_closed);
  EXPECT_EQ(r.ends, 0);
  EXPECT_EQ(c.closes, 1);
  EXPECT_FALSE(c.codec_->reusable());
}

TEST(H2Client, ReleaseAndResetCancel) {
  Client c;
  Record& a = c.request();
  Record& b = c.request("POST", "/", true);
  Record& never = c.start();
  Record& unsent = c.request();
  unsent.release();  // its head has not left: the service hears nothing
  c.flush();
  a.release();
  b.call([&] { b.up->reset(EndCause::downstream_reset); });
  b.release();
  never.release();
  c.flush();
  EXPECT_EQ(c.reader->reset_code(1), NGHTTP2_CANCEL);
  EXPECT_EQ(c.reader->reset_code(3), NGHTTP2_CANCEL);
  EXPECT_EQ(c.reader->all(kHeaders).size(), 2u);
  EXPECT_EQ(c.codec().active(), 0u);
  EXPECT_TRUE(c.codec_->reusable());
  c.feed(server_preface() + headers(1, ok()));  // crossed the cancel
  EXPECT_EQ(a.heads, 0);
  EXPECT_EQ(c.closes, 0);
}

TEST(H2Client, AnswersBeforeTheRequestEnds) {
  Client c;
  Record& r = c.request("POST", "/", true);
  c.body(r, "abc");
  c.flush();
  c.feed(server_preface() + headers(1, ok("413"), kEndHeaders) + data(1, "no", true) + rst(1, NGHTTP2_NO_ERROR));
  EXPECT_EQ(r.verdict(), "    413 {} cl=- body=no trailers= end=1" + std::string());
  c.body(r, "more");
  c.end(r);
  r.release();
  c.flush();
  EXPECT_EQ(c.reader->body(1), "abc");
  EXPECT_EQ(c.codec().active(), 0u);
  EXPECT_TRUE(c.codec_->reusable());
}

TEST(H2Client, UploadsKeepToTheWindow) {
  Client c;
  c.flush();
  c.feed(server_preface(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1000)));
  Record& r = c.request("PUT", "/", true, 100'000);
  c.body(r, std::string(100'000, 'u'));
  c.end(r);
  c.flush();
  EXPECT_EQ(c.reader->body(1).size(), 1000u);
  EXPECT_EQ(r.blocked, 1);
  c.feed(window(1, 99'000) + window(0, 99'000));
  EXPECT_EQ(c.reader->body(1).size(), 100'000u);
  EXPECT_EQ(r.unblocked, 1);
  EXPECT_TRUE(c.reader->ended(1));
}

TEST(H2Client, HeldBytesOutliveTheStream) {
  Client c;
  Record& r = c.request();
  r.call([&] { r.up->pause(); });
  c.flush();
  c.feed(server_preface() + headers(1, ok(), kEndHeaders) + data(1, "held"));
  c.feed(data(1, " back", true));
  EXPECT_EQ(r.heads, 1);
  EXPECT_EQ(r.body, "");
  EXPECT_EQ(r.resets, 0);
  r.call([&] { r.up->resume(); });
  c.flush();
  EXPECT_EQ(r.body, "held back");
  EXPECT_EQ(r.ends, 1);
  EXPECT_FALSE(r.told_in_sender);
}

TEST(H2Client, TunnelsThroughConnect) {
  Client c;
  Record& r = c.start();
  RequestPtr head = make_request();
  head->method_name = "CONNECT";
  head->method = Method::connect;
  head->authority = head->target = "db.test:5432";
  head->has_body = true;
  r.up->send_head(*head);
  c.flush();
  EXPECT_EQ(c.reader->last(kHeaders, 1)->fields, (List{{":method", "CONNECT"}, {":authority", "db.test:5432"}}));
  c.feed(server_preface() + headers(1, ok(), kEndHeaders) + data(1, "from"));
  EXPECT_TRUE(r.has_body);
  c.body(r, "to");
  c.end(r);
  c.feed(data(1, ".", true));
  EXPECT_EQ(r.body, "from.");
  EXPECT_EQ(r.ends, 1);
  EXPECT_EQ(c.reader->body(1), "to");
}

TEST(H2Client, DrainFinishesAndCloses) {
  Client c;
  Record& r = c.request();
  c.flush();
  c.codec().drain();
  c.flush();
  EXPECT_FALSE(c.codec_->reusable());
  EXPECT_EQ(c.closes, 0);
  c.feed(server_preface() + headers(1, ok(), kEndHeaders) + data(1, "x", true));
  EXPECT_EQ(r.body, "x");
  r.release();
  c.flush();
  EXPECT_EQ(c.closes, 1);
  EXPECT_EQ(c.reader->goaway_code(), NGHTTP2_NO_ERROR);
}

}  // namespace
}  // namespace cardea::http::test
