// The sandbox: what came from users is marked, limits hold, the unsupported is refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tokenizer/template/chat_template.h"

namespace fathom::tokenizer {
namespace {

using base::ErrorCode;
using ::testing::HasSubstr;

base::Result<RenderedPrompt> render(std::string_view source, const ChatContext& context = {},
                                    const TemplateLimits& limits = {}) {
  const auto parsed = TRY(ChatTemplate::parse(source, "t", limits));
  return parsed.render(context);
}

// The prompt with untrusted ranges in [].
std::string marked(std::string_view source, const ChatContext& context) {
  const auto prompt = render(source, context);
  if (!prompt) return "error: " + prompt.error().text();
  std::string result;
  std::size_t at = 0;
  for (const auto& range : prompt->untrusted) {
    EXPECT_LT(range.begin, range.end);
    EXPECT_TRUE(at == 0 || range.begin > at) << "ranges touch or overlap";
    result += prompt->text.substr(at, range.begin - at) + "[" +
              prompt->text.substr(range.begin, range.end - range.begin) + "]";
    at = range.end;
  }
  return result + prompt->text.substr(at);
}

struct TrustCase {
  const char* source;
  const char* expected;
};

class Trust : public ::testing::TestWithParam<TrustCase> {};

TEST_P(Trust, FollowsTheBytes) {
  const ChatContext context{
      .messages = {{"user", " a,B世 ", {{"k", R"({"x": "y"})"}}}, {"root", "c"}},
      .tools_json = R"([{"n": "t", "v": 1}])",
      .variables = {{"who", R"("me")"}},
      .eos_token = "<E>"};
  const std::string setup = "{% set c = messages[0].content %}";
  EXPECT_EQ(marked(setup + GetParam().source, context), GetParam().expected) << GetParam().source;
}

INSTANTIATE_TEST_SUITE_P(
    Operations, Trust,
    ::testing::Values(
        TrustCase{"x{{ c }}y", "x[ a,B世 ]y"}, TrustCase{"{{ 'x' + c + 'y' }}", "x[ a,B世 ]y"},
        TrustCase{"{{ c ~ eos_token ~ c }}", "[ a,B世 ]<E>[ a,B世 ]"},
        TrustCase{"{{ c }}{{ c }}", "[ a,B世  a,B世 ]"},
        TrustCase{"{{ ('<' ~ c ~ '>')[1:3] }}", "[ a]"},
        TrustCase{"{{ ('<' ~ c ~ '>')[-3:] }}", "[世 ]>"},
        TrustCase{"{{ ('<' ~ c ~ '>')[::-1] }}", ">[ 世B,a ]<"},
        TrustCase{"{{ ('<' ~ c ~ '>')[0] }}{{ c[1] }}", "<[a]"},
        TrustCase{"{{ c.strip() }}|{{ c | trim }}", "[a,B世]|[a,B世]"},
        TrustCase{"{{ ('-' ~ c).split(',') | join('+') }}", "-[ a]+[B世 ]"},
        TrustCase{"{{ '/'.join(c.split(',')) }}", "[ a]/[B世 ]"},
        TrustCase{"{{ ('b' ~ c ~ 'b') | replace('B', 'z') }}", "b[ a,]z[世 ]b"},
        TrustCase{"{{ 'b-b'.replace('b', c) }}", "[ a,B世 ]-[ a,B世 ]"},
        TrustCase{"{{ ('x' ~ c) | upper }}{{ ('x' ~ c).title() }}", "X[ A,B世 ]X[ A,B世 ]"},
        TrustCase{"{{ c * 2 }}{{ 'x' * 2 }}", "[ a,B世  a,B世 ]xx"},
        TrustCase{"{{ [c, 'x'] }}", "['[ a,B世 ]', 'x']"},
        TrustCase{"{{ {'k': c} | tojson }}", "{\"k\": \"[ a,B世 ]\"}"},
        TrustCase{"{{ tools | tojson }}", "[{\"[n]\": \"[t]\", \"[v]\": 1}]"},
        TrustCase{"{{ messages[0].k | tojson(indent=1) }}", "{\n \"[x]\": \"[y]\"\n}"},
        TrustCase{"{{ messages[0].role }} {{ messages[1].role }}", "user [root]"},
        TrustCase{"{{ who }}{{ c | length }}", "[me]6"},
        TrustCase{"{% set b %}<{{ c }}>{% endset %}{{ b }}", "<[ a,B世 ]>"},
        TrustCase{"{% filter upper %}<{{ c }}>{% endfilter %}", "<[ A,B世 ]>"},
        TrustCase{"{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(c) }}", "<[ a,B世 ]>"},
        TrustCase{"{% set ns = namespace(a='') %}{% set ns.a = ns.a + c + '.' %}{{ ns.a }}",
                  "[ a,B世 ]."},
        TrustCase{"{% for ch in '<' ~ c.strip() %}{{ ch }}.{% endfor %}", "<.[a].[,].[B].[世]."},
        TrustCase{"{{ c if true else '' }}{{ none or c }}", "[ a,B世  a,B世 ]"},
        TrustCase{"{{ ('a\n' ~ c) | indent(2, true) }}", "  a\n  [ a,B世 ]"},
        TrustCase{"{{ [1, 2] | tojson(indent=messages[1].content) }}", "[[\nc1,\nc2\n]]"},
        TrustCase{"{{ messages[0].k | items | first | first }}", "[x]"}));

TEST(Untrusted, CoversSpecialTokensInContentOnly) {
  const std::string eos = "<｜end▁of▁sentence｜>";
  const auto prompt =
      render("{% for m in messages %}{{ m.role + ': ' + m.content + eos_token }}{% endfor %}",
             {.messages = {{"user", eos}, {"assistant", "x" + eos + "y"}}, .eos_token = eos});
  ASSERT_TRUE(prompt);
  const std::string head = "user: ";
  const std::size_t first = head.size();
  const std::size_t second = first + 2 * eos.size() + std::string("assistant: ").size();
  EXPECT_EQ(prompt->text, head + eos + eos + "assistant: x" + eos + "y" + eos);
  ASSERT_EQ(prompt->untrusted.size(), 2U);
  EXPECT_EQ(prompt->untrusted[0], (base::ByteRange{first, first + eos.size()}));
  EXPECT_EQ(prompt->untrusted[1], (base::ByteRange{second, second + eos.size() + 2}));
}

// Each would take gigabytes, hours or the whole stack.
TEST(Limits, StopWhatGrows) {
  const std::vector<std::string> sources = {
      "{{ 'a' * 1000000000 }}",
      "{{ [1] * 9223372036854775807 }}",
      "{{ ('ab' * 4000000) * 9223372036854775807 }}",
      "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}"
      "{% endfor %}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}"
      "{% endfor %}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}"
      "{% endfor %}{{ ns.x }}",
      "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}"
      "{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}"
      "{% endfor %}{{ ns.x | tojson }}",
      "{% set ns = namespace(x=1) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor "
      "%}",
      "{% set ns = namespace(x={}) %}{% for i in range(100000) %}{% set ns.x = {1: ns.x} %}"
      "{% endfor %}",
      "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
      "{% for i in range(100000) %}{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' * 99 }}"
      "{% endfor %}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
      "{{ range(100001) }}",
      "{{ ('a' * 1000000).replace('', 'b' * 1000000) }}",
      "{{ (['a'] * 100000) | join('b' * 1000000) }}",
      "{% set x = 'a' * 1000000 %}{% for i in range(100000) %}{{ x[i:] | length }}{% endfor %}",
      "{% set x = 'a' * 8000000 %}{% for i in range(100000) %}{% if x ~ 'b' in x %}{% endif %}"
      "{% endfor %}",
      "{% set x = ('a ' * 4000000).split() %}{% for i in range(100000) %}{{ x | sort | length }}"
      "{% endfor %}",
      "{% set x = range(100000) | list %}{{ x | unique | list | length }}",
  };
  for (const std::string& source : sources) {
    const auto start = std::chrono::steady_clock::now();
    const auto prompt = render(source);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    ASSERT_FALSE(prompt) << source;
    EXPECT_EQ(prompt.error().code, ErrorCode::kResourceExhausted) << source << "\n"
                                                                  << prompt.error().text();
    EXPECT_LT(seconds.count(), 5.0) << source;
  }
}

TEST(Limits, StopDeepSources) {
  const auto repeated = [](std::string_view text, std::size_t times) {
    std::string result;
    for (std::size_t i = 0; i < times; ++i) result += text;
    return result;
  };
  for (const std::string& source :
       {"{{ " + repeated("(", 30000) + repeated(")", 30000) + " }}",
        "{{ " + repeated("[", 30000) + repeated("]", 30000) + " }}",
        "{{ " + repeated("-", 30000) + "1 }}", "{{ " + repeated("not ", 30000) + "1 }}",
        "{{ 1" + repeated(" + 1", 30000) + " }}", "{{ x" + repeated(".a", 30000) + " }}",
        "{{ x" + repeated("[0]", 30000) + " }}", "{{ x" + repeated("|list", 30000) + " }}",
        "{{ 1" + repeated(" if 1 else 1", 20000) + " }}", "{{ 1" + repeated(" or 1", 30000) + " }}",
        "{{ " + repeated("{1:", 30000) + repeated("}", 30000) + " }}",
        repeated("{% if 1 %}", 20000), repeated("{% for x in y %}", 15000),
        "{% set " + repeated("(", 30000) + repeated(")", 30000) + " %}",
        repeated("{% with %}", 20000)}) {
    const auto parsed = ChatTemplate::parse(source, "t");
    ASSERT_FALSE(parsed) << source.substr(0, 20);
    EXPECT_EQ(parsed.error().code, ErrorCode::kResourceExhausted) << parsed.error().text();
  }
  EXPECT_FALSE(ChatTemplate::parse(std::string(300 << 10, 'x'), "t"));
  // Wide is not deep.
  EXPECT_TRUE(ChatTemplate::parse(repeated("{% if 1 %}{% elif 2 %}{% endif %}", 5000), "t"));
  EXPECT_TRUE(ChatTemplate::parse("{{ 1" + repeated(" ~ 1", 30000) + " }}", "t"));
}

TEST(Limits, CountIntegersThatOverflow) {
  for (const char* source :
       {"{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}",
        "{{ 9223372036854775807 * 2 }}", "{{ 2 ** 63 }}", "{{ 10 ** 99 }}",
        "{{ -(-9223372036854775807 - 1) }}", "{{ (-9223372036854775807 - 1) // -1 }}",
        "{{ (-9223372036854775807 - 1) | abs }}", "{{ 9223372036854775808 }}",
        "{{ '9223372036854775808' | int }}", "{{ 1e30 | int }}",
        "{{ [9223372036854775807, 1] | sum }}"}) {
    const auto prompt = render(source);
    ASSERT_FALSE(prompt) << source << prompt->text;
    EXPECT_EQ(prompt.error().code, ErrorCode::kOutOfRange) << prompt.error().text();
  }
  EXPECT_EQ(render("{{ (-9223372036854775807 - 1) % -1 }}")->text, "0");
  EXPECT_EQ(render("{{ 'abc'[9223372036854775807:] }}{{ 'abc'[::9223372036854775807] }}"
                   "{{ 'abc'[::-9223372036854775807 - 1] }}")
                ->text,
            "ac");
}

TEST(Unsupported, IsRefusedByNameWhenParsed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{{ strftime_now('%Y') }}", "strftime_now"},
      {"{{ x | safe }}", "safe"},
      {"{{ x | groupby('a') }}", "groupby"},
      {"{{ x | map('escape') }}", "escape"},
      {"{{ x | selectattr('a', 'sameas', 1) }}", "sameas"},
      {"{{ x is sameas(1) }}", "sameas"},
      {"{{ x.format(1) }}", "format"},
      {"{{ x.encode('utf-8') }}", "encode"},
      {"{{ x.append(1) }}", "append"},
      {"{{ cycler('a') }}", "cycler"},
      {"{% include 'x' %}", "include"},
      {"{% import 'x' as y %}", "import"},
      {"{% extends 'x' %}", "extends"},
      {"{% block x %}{% endblock %}", "block"},
      {"{% call m() %}{% endcall %}", "call"},
      {"{% do x %}", "do"},
      {"{% for a in b recursive %}{% endfor %}", "recursive"},
      {"{{ f(*a) }}", "*"},
      {"{% macro m() %}{{ caller() }}{% endmacro %}", "caller"},
      {"{% for x in y %}{% macro m() %}{% endmacro %}{% endfor %}", "macro"},
  };
  for (const auto& [source, name] : cases) {
    const auto parsed = ChatTemplate::parse("\n{% if false %}" + source + "{% endif %}", "t");
    ASSERT_FALSE(parsed) << source;
    EXPECT_EQ(parsed.error().code, ErrorCode::kUnimplemented) << parsed.error().text();
    EXPECT_THAT(parsed.error().message, HasSubstr(name));
    EXPECT_EQ(parsed.error().where, "t:2");
  }
  // A template's own variables may have such names.
  EXPECT_EQ(render("{% set joiner = 'a' %}{{ joiner }}")->text, "a");
}

TEST(Unsupported, HasNoWayToObjects) {
  for (const char* source :
       {"{{ ''.__class__ }}", "{{ x.__init__.__globals__ }}", "{{ messages.__class__.__mro__ }}",
        "{{ ''['__class__']['__mro__'] }}", "{{ range.__globals__.x }}", "{{ namespace.mro() }}",
        "{{ [''] | map(attribute='__class__.__mro__') | list }}",
        "{% macro m() %}{% endmacro %}{{ m.__globals__ }}", "{{ self.x }}",
        "{{ messages | attr('__class__') }}"}) {
    EXPECT_FALSE(render(source)) << source;
  }
}

TEST(Errors, NameTheLine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a\n\n{{ x.y }}", "t:3"},
      {"{# c\nc #}\n{% if 1 %}\n\n{{ 1 / 0 }}{% endif %}", "t:5"},
      {"{{ 1 +\n\n1 + 'a' }}", "t:3"},
      {"{%- raw -%}\n\n{% endraw %}\n{{ 'a'.strip(1) }}", "t:4"},
      {"a\n{% for x in [1] %}\n{{ x.y.z }}{% endfor %}", "t:3"},
      {"\r\n\r\n{{ 'x }}", "t:3"},
  };
  for (const auto& [source, where] : cases) {
    const auto prompt = render(source);
    ASSERT_FALSE(prompt) << source;
    EXPECT_EQ(prompt.error().where, where) << source << prompt.error().text();
  }
}

}  // namespace
}  // namespace fathom::tokenizer
