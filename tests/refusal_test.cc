// Which form of a refusal somebody gets, and that no text leaves its place in it.
#include "proxy/refusal.h"

#include <gtest/gtest.h>

#include "proxy_rows.h"

namespace cardea::proxy {
namespace {

struct AcceptRow {
  const char* who;
  std::vector<const char*> accept;
  Form form;
};
const AcceptRow kAccept[] = {
    {"Firefox", {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, Form::html},
    {"Chrome",
     {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
      "application/signed-exchange;v=b3;q=0.7"},
     Form::html},
    {"Safari", {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, Form::html},
    {"an image in Chrome", {"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}, Form::text},
    {"a script", {"*/*"}, Form::text},
    {"curl", {"*/*"}, Form::text},
    {"fetch for JSON", {"application/json"}, Form::json},
    {"axios", {"application/json, text/plain, */*"}, Form::json},
    {"EventSource", {"text/event-stream"}, Form::text},
    {"jQuery", {"application/json, text/javascript, */*; q=0.01"}, Form::json},
    {"Go", {}, Form::text},
    {"nothing", {""}, Form::text},
    {"HTML first where both weigh the same", {"application/json, text/html"}, Form::html},
    {"the heavier", {"text/html;q=0.8, application/json;q=0.9"}, Form::json},
    {"the heavier by a thousandth", {"text/html;q=0.801, application/json;q=0.8"}, Form::html},
    {"two fields", {"text/html;q=0.5", "application/json"}, Form::json},
    {"either of two fields", {"application/json;q=0.1", "text/html;q=0.2"}, Form::html},
    {"any case", {"Text/HTML"}, Form::html},
    {"capital Q", {"text/html;Q=0.1,application/json;q=0.2"}, Form::json},
    {"blanks", {" text/html ;\tq=0.1 ,\tapplication/json ; q=0.2 "}, Form::json},
    {"another parameter", {"text/html;level=1;q=0.1,application/json;charset=utf-8;q=0.2"}, Form::json},
    {"a parameter behind the weight", {"application/json;q=0.2,text/html;q=0.1;x=y"}, Form::json},
    {"not at all", {"text/html;q=0"}, Form::text},
    {"not at all, long", {"text/html;q=0.000"}, Form::text},
    {"a dot and nothing", {"text/html;q=1.,application/json;q=0."}, Form::html},
    {"the least", {"text/html;q=0.001"}, Form::html},
    {"too heavy", {"text/html;q=1.001, application/json;q=0.1"}, Form::json},
    {"too heavy by far", {"text/html;q=2, application/json;q=0.1"}, Form::json},
    {"no number", {"text/html;q=high, application/json;q=0.1"}, Form::json},
    {"no value", {"text/html;q=, application/json;q=0.1"}, Form::json},
    {"too long", {"text/html;q=0.9999, application/json;q=0.1"}, Form::json},
    {"negative", {"text/html;q=-1, application/json;q=0.1"}, Form::json},
    {"no dot", {"text/html;q=01, application/json;q=0.1"}, Form::json},
    {"a range names nothing", {"text/*, application/*"}, Form::text},
    {"longer names", {"text/html5, application/json-patch+json"}, Form::text},
    {"half a name", {"text, html, /, text/"}, Form::text},
    {"separators alone", {",;,;;,=,q=1,;q=1"}, Form::text},
};

http::RequestPtr asks_for(const std::vector<const char*>& accept) {
  auto head = http::make_request();
  for (const char* a : accept) head->fields.add("Accept", a);
  return head;
}

TEST(Refusal, Forms) {
  for (const AcceptRow& row : kAccept) {
    EXPECT_EQ(int(preferred_form(*asks_for(row.accept))), int(row.form)) << row.who;
  }
}

TEST(Refusal, FormsOfManyWeights) {
  for (int html = 0; html <= 1000; html += 7) {
    for (int json = 0; json <= 1000; json += 13) {
      char text[80];
      snprintf(text, sizeof text, "text/html;q=%d.%03d, application/json;q=%d.%03d", html / 1000, html % 1000,
               json / 1000, json % 1000);
      const Form expected = !html && !json ? Form::text : html >= json ? Form::html : Form::json;
      ASSERT_EQ(int(preferred_form(*asks_for({text}))), int(expected)) << text;
    }
  }
}

TEST(Refusal, Types) {
  EXPECT_STREQ(content_type(Form::html), "text/html; charset=utf-8");
  EXPECT_STREQ(content_type(Form::json), "application/json");
  EXPECT_STREQ(content_type(Form::text), "text/plain; charset=utf-8");
}

// ---- bodies -----------------------------------------------------------------------------------------

const Bytes kNasty = "<script>alert(1)</script> & \"q\" 'a' \x01\x1f\n</title>";

TEST(Refusal, NothingLeavesItsPlaceInAPage) {
  Arena arena;
  const std::string page(refusal_body(Form::html, {403, kNasty, kNasty, kNasty, nullptr}, arena));
  const std::string safe = "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;q&quot; &#39;a&#39; ???&lt;/title&gt;";
  size_t found = 0;
  for (size_t at = page.find(safe); at != std::string::npos; at = page.find(safe, at + 1)) ++found;
  EXPECT_EQ(found, 4u) << "title, heading, route, request: " << page;
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("</title>"), page.rfind("</title>"));
  for (const char* foreign : {"http:", "https:", "src=", "href=", "url(", "@import", "//"}) {
    EXPECT_EQ(page.find(foreign), std::string::npos) << foreign;
  }
  EXPECT_LT(page.size(), 2048u);
}

TEST(Refusal, AllBytesAsJson) {
  std::string every;
  for (int c = 0; c < 256; ++c) every += char(c);
  Arena arena;
  for (Bytes text : {kNasty, Bytes(every)}) {
    std::string body(refusal_body(Form::json, {403, text, text, text, nullptr}, arena));
    ASSERT_EQ(body.back(), '\n');
    body.pop_back();
    EXPECT_TRUE(test::Json::is_line(body)) << body;
  }
}

TEST(Refusal, Bodies) {
  Arena arena;
  Refusal r{403, "access is denied", "orders", "id-1", nullptr};
  EXPECT_EQ(refusal_body(Form::json, r, arena),
            "{\"error\":\"access is denied\",\"status\":403,\"request_id\":\"id-1\",\"route\":\"orders\"}\n");
  EXPECT_EQ(refusal_body(Form::text, r, arena), "403 access is denied (route orders)\nrequest id id-1\n");
  const std::string page(refusal_body(Form::html, r, arena));
  EXPECT_EQ(page.substr(0, 15), "<!doctype html>");
  EXPECT_NE(page.find("<h1>403: access is denied</h1>"), std::string::npos);
  EXPECT_EQ(page.find("Reasons"), std::string::npos);
  r.route = {};
  EXPECT_EQ(refusal_body(Form::json, r, arena),
            "{\"error\":\"access is denied\",\"status\":403,\"request_id\":\"id-1\"}\n");
  EXPECT_EQ(refusal_body(Form::text, r, arena), "403 access is denied\nrequest id id-1\n");
  EXPECT_EQ(refusal_body(Form::html, r, arena).find("Route"), Bytes::npos);
}

TEST(Refusal, Reasons) {
  Arena arena;
  const policy::Reasons none, two = {policy::Reason::reject, policy::Reason::user_unauthorized};
  Refusal r{403, "no", {}, "id", &two};
  EXPECT_NE(refusal_body(Form::json, r, arena).find("\"reasons\":[\"reject\",\"user-unauthorized\"]"), Bytes::npos);
  EXPECT_NE(refusal_body(Form::html, r, arena).find("<p>Reasons: reject, user-unauthorized</p>"), Bytes::npos);
  EXPECT_NE(refusal_body(Form::text, r, arena).find("\nreasons: reject, user-unauthorized\n"), Bytes::npos);
  r.reasons = &none;
  EXPECT_NE(refusal_body(Form::json, r, arena).find("\"reasons\":[]"), Bytes::npos);
  EXPECT_EQ(refusal_body(Form::html, r, arena).find("Reasons"), Bytes::npos);
  EXPECT_EQ(refusal_body(Form::text, r, arena).find("reasons"), Bytes::npos);
}

TEST(Refusal, PercentEncoding) {
  Arena arena;
  EXPECT_EQ(percent_encoded("", arena), "");
  EXPECT_EQ(percent_encoded("AZaz09-._~", arena), "AZaz09-._~");
  EXPECT_EQ(percent_encoded("https://a.example/x?y=z&b=c#d", arena), "https%3A%2F%2Fa.example%2Fx%3Fy%3Dz%26b%3Dc%23d");
  EXPECT_EQ(percent_encoded("%41 +\r\n\"<>", arena), "%2541%20%2B%0D%0A%22%3C%3E");
  EXPECT_EQ(percent_encoded(Bytes("\0\x7f\x80\xff", 4), arena), "%00%7F%80%FF");
  std::string every;
  for (int c = 0; c < 256; ++c) every += char(c);
  const Bytes out = percent_encoded(every, arena);
  EXPECT_EQ(out.size(), 66u + 3 * (256 - 66));
  std::string back;
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i] != '%') {
      back += out[i];
    } else {
      back += char(std::stoi(std::string(out.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    }
  }
  EXPECT_EQ(back, every);
}

}  // namespace
}  // namespace cardea::proxy
